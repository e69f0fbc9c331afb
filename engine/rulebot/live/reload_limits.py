"""What only a new start can do to an account that is traded, or bots that lack a promotion: refused."""

from collections.abc import Mapping
from datetime import date

from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import SpecError
from rulebot.model.values import dataclass
from rulebot.promotion.admission import unpromoted
from rulebot.promotion.promotion import read_live_store
from rulebot.spec.nouns.account import AccountDocument
from rulebot.store.place import Place


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run with real money, or with an account that a simulated gateway plays as such."""

    store: Place
    simulated: bool


def refuse_account(
    desk: LoadedBots,
    account: str,
    today: date,
    *,
    running: Mapping[str, str],
    had_limits: bool,
    any_account: bool,
    live: LiveRun | None = None,
) -> None:
    """Refuse what only a new start can do to the account, and bots that real money is not for. Raises: SpecError.

    running: the digests of what runs already. any_account: of a simulated market, or of a run that observes: the
    document need not be for it.
    """
    if live is not None:
        fresh = {bot: digest for bot, digest in desk.digests.items() if running.get(bot) != digest}
        _refuse_unpromoted(desk.account, fresh, account, today, live)
        return
    if desk.account is None:
        if had_limits:
            raise SpecError(
                "the account document is gone, and its limits would be off",
                "put it back; to run without limits over all bots, stop and start",
            )
        return
    if not any_account and desk.account.account and desk.account.account != account:
        raise SpecError(
            f"the account document is for {desk.account.account}, and {account} is traded", "stop and start for that"
        )


def _refuse_unpromoted(
    document: AccountDocument | None, fresh: Mapping[str, str], account: str, today: date, live: LiveRun
) -> None:
    rules = None if document is None else document.live
    if rules is None or rules.account != account:
        named = "names no live account" if rules is None else f"has live account {rules.account}"
        raise SpecError(f"the account document {named}, and {account} is traded", "stop and start for that")
    promoted = read_live_store(live.store, account, simulated=live.simulated, verifies=False)
    if lacks := unpromoted(fresh, rules, promoted, today, simulated=live.simulated):
        raise SpecError(
            "; ".join(lacks), "stop the engine, promote, and start it again: a promotion is written into its store"
        )
