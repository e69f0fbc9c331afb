"""A link around another one: what it does not say of itself, the inner one says."""

from dataclasses import dataclass

from rulebot.ports import Link


@dataclass
class LinkProxy:
    """What a Link port that stands around another one has of it."""

    inner: Link

    @property
    def account(self) -> str:
        """The account of the inner link."""
        return self.inner.account

    @property
    def is_lockstep(self) -> bool:
        """True when the gateway's virtual clock waits for us."""
        return self.inner.is_lockstep

    @property
    def is_up(self) -> bool:
        """True while the inner link's socket stands."""
        return self.inner.is_up

    async def close(self) -> None:
        """Disconnect."""
        await self.inner.close()
