"""What keeps a watching bot from entering: the last reason, and the one that lasted longest, for `why`."""

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from rulebot.model.cause import Text
from rulebot.model.values import dataclass
from rulebot.record.record import Json

_NUMBER = re.compile(r"(?<![\w.-])[-+$]?\d[\d,.]*%?(?![\w-])")


def without_numbers(text: str) -> str:
    """Return a reason without the numbers that change while it stays the same; names of options keep theirs."""
    return _NUMBER.sub("#", text)


@dataclass(frozen=True, slots=True)
class Blocked:
    """What blocked entries during one watch. text: the last reason as it was reported; since: when it began.

    ended: earlier reasons without their numbers, each with its text and duration in seconds.
    """

    text: Text = ""
    since: datetime | None = None
    ended: Mapping[Text, tuple[Text, float]] = field(default_factory=dict)

    def by(self, text: str, at: datetime) -> "Blocked":
        """Return it with what blocks from now on."""
        if text == self.text or not text:
            return self
        if without_numbers(text) == without_numbers(self.text):
            return Blocked(text, self.since, self.ended)
        return Blocked(text, at, self._totals(at))

    def reported(self, at: datetime) -> dict[str, Json]:
        """Return the data of the record at the end of the watch; empty when nothing blocked."""
        if self.since is None:
            return {}
        longest, seconds = max(self._totals(at).values(), key=lambda each: each[1])
        last: dict[str, Json] = {"text": self.text, "since": self.since.isoformat()}
        return {"blocked": {"last": last, "longest": {"text": longest, "seconds": seconds}}}

    def _totals(self, at: datetime) -> dict[str, tuple[str, float]]:
        found = dict(self.ended)
        if self.since is not None:
            key = without_numbers(self.text)
            before = found.get(key, ("", 0.0))[1]
            found[key] = self.text, before + (at - self.since).total_seconds()
        return found
