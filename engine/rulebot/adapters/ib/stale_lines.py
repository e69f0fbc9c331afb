"""Stale lines: market data lines that the broker stopped without a message.

Users of other programs report indices that stood still until a restart (Lean.Brokerages.InteractiveBrokers 80), and
lines that stayed dead after a farm was back (nautilus_trader 3968). Quotes come on change only, so a dead line looks
like a quiet one. Data that is too old for any rule loses nothing by a new request; it counts again once it differs from
before (`Quotes.goes_on`).
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from math import inf

from rulebot.adapters.ib.contracts import subscription, subscriptions_of_all
from rulebot.model.contract import Contract
from rulebot.model.market import FEED_SILENCE, Board, usual_age
from rulebot.model.session import Session, exchange_date, session_on

LOOKS = 5.0
"""Seconds between two looks."""
WHOLE_FEED = 90.0
"""Seconds without any market data after which all lines count as silent, though the broker is there."""
AFTER_FARM = 10.0
"""Seconds that a line may be silent after its farm is back, or all lines were: what is asked has an answer at once."""
LONGEST = 900.0
"""Seconds after which a line that stays silent is asked for again at most; each time it waits twice as long."""
AT_ONCE = 10
"""Lines requested again at one look, so that others need not wait; all where all may be dead."""


class StaleLines:
    """Since when each line has said nothing. Units: epoch seconds.

    _none_until: before that none can have been silent for too long, unless one is to answer sooner than usual: a line
    says something later than it did, never earlier, and one that is asked for only now has its time before it.
    """

    def __init__(self) -> None:
        self._asked: dict[Contract, float] = {}
        self._tries: dict[Contract, int] = {}
        self._of_farm: set[Contract] = set()
        self._looked = self._none_since = self._none_until = 0.0
        self._session: Session | None = None

    def asked(self, contract: Contract, at: float) -> None:
        """Note that a line was asked for."""
        self._asked[contract] = at
        self._none_until = min(self._none_until, at + usual_age(contract) - LOOKS)

    def given_up(self, contract: Contract) -> None:
        """Note that a line is asked for no more; that it was silent is remembered, should it be asked for again."""
        self._asked.pop(contract, None)
        self._of_farm.discard(contract)

    def farm_is_back(self, at: float) -> None:
        """Note that every line is to speak again from now on."""
        self._asked = dict.fromkeys(self._asked, at)
        self._of_farm = set(self._asked)
        self._tries.clear()

    def _none_speaks(self, since: float) -> None:
        """Note that nothing has come since then: a quiet line may have died with the others."""
        self._none_since = since
        self._asked = {contract: max(asked, since + 0.001) for contract, asked in self._asked.items()}
        self._of_farm = set(self._asked)

    def due(self, board: Board, now: datetime, except_for: Iterable[Contract]) -> list[Contract]:
        """Return the lines to request again: silent in the session while others update, or when none updates.

        except_for: rejected lines. The broker is connected, as far as known.
        """
        at = now.timestamp()
        received = at - board.alive_at
        if at - self._looked < LOOKS or (FEED_SILENCE < received < WHOLE_FEED and not self._of_farm):
            return []
        self._looked = at
        session = self._session_of(exchange_date(now))
        if session is None or not session.is_on(now):
            return []
        if received >= WHOLE_FEED and board.alive_at != self._none_since:
            self._none_speaks(board.alive_at)
        is_usual = not (self._of_farm or self._tries)
        if is_usual and at < self._none_until:
            return []
        found, last = self._silent(board, at, session.open.timestamp(), set(except_for))
        self._none_until = last - LOOKS if is_usual else 0.0
        if not self._of_farm:
            del found[AT_ONCE:]
        for contract in found:
            self._tries[contract] = self._tries.get(contract, 0) + 1
        return found

    def _session_of(self, day: date) -> Session | None:
        if self._session is None or self._session.date != day:
            self._session = session_on(day)
        return self._session

    def _silent(
        self, board: Board, at: float, opened: float, refused: Collection[Contract]
    ) -> tuple[list[Contract], float]:
        """Return the lines that have been silent for too long, and when the first of all is silent for so long."""
        left_alone = set.union(board.frozen, board.halted, *board.unsettled[:2])
        found, last = [], inf
        for contract, asked in self._asked.items():
            row = board.rows.get(contract, -1)
            spoke = 0.0 if row < 0 else _spoke(board, row, asked)
            since = max(spoke, asked, opened)
            last = min(last, since + usual_age(contract))
            if row < 0 or contract in refused or row in left_alone:
                self._of_farm.discard(contract)
                continue
            if spoke:
                self._tries.pop(contract, None)
                self._of_farm.discard(contract)
            if at - since > self._patience(contract):
                found.append(contract)
        return found, last

    def _patience(self, contract: Contract) -> float:
        usual = AFTER_FARM if contract in self._of_farm else usual_age(contract)
        return max(usual, min(usual * 2.0 ** self._tries.get(contract, 0), LONGEST))


def _spoke(board: Board, row: int, since: float) -> float:
    """Return when a row last got a quote or a price, 0 where it did not since then."""
    quoted, traded = board.quote_at[row], board.last_at[row]
    spoke = quoted if quoted >= since else 0.0
    return traded if traded >= since and traded > spoke else spoke


# --- Why a line of market data does not stream, by the broker's code

NOT_SUBSCRIBED = frozenset((354, 10089, 10168, 10186))
PARTLY = frozenset((10090, 10091))
"""The line streams, and lacks some ticks, as those of an option that are made of an underlying without subscription."""
OR_DELAYED = 3
"""The kind of market data to ask for: live where subscribed, else delayed by 10 to 15 minutes."""
DELAYED, DISCONNECTED, ELSEWHERE, LINES_USED_UP = 10167, 10182, 10197, 101


def no_data_reason(contract: Contract, code: int, text: str, *, is_used: bool = False) -> str:
    """Return in words why a contract does not stream as it should; is_used: delayed data of it is traded on."""
    if code in NOT_SUBSCRIBED:
        return f"no market data subscription; it needs {subscription(contract)} (error {code}: {text})"
    if code == DELAYED and is_used:
        return f"delayed data, 10 to 15 minutes old; live data needs {subscription(contract)} (error {code})"
    if code == DELAYED:
        return f"delayed data only, never traded on; it needs {subscription(contract)} (error {code})"
    if code in PARTLY:
        return f"not all data is subscribed; it needs {subscriptions_of_all(contract)} (error {code}: {text})"
    if code == ELSEWHERE:
        return f"another session of this user has the market data (error {code})"
    if code == LINES_USED_UP:
        return f"the broker's market data lines are used up (error {code})"
    return f"{text} (error {code})"
