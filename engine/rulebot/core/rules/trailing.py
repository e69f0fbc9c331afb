"""The best profit so far of a position, from which trailing exits count (language/words.md, `give_back`).

It is the lower of two readings in a row, so that one broken quote makes no peak: a reading counts once every quote it
reads is newer than at the last one that counted, or two seconds after it. The best is part of the position and on
record with it; the reading before is not, so that after a restart it takes two readings again to raise it.
"""

from decimal import Decimal

from rulebot.compile.plan import Call
from rulebot.core.program import CompiledBot
from rulebot.core.rules.rule_evaluation import REREAD, wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_position, set_bot
from rulebot.core.state.state import SeenHolding
from rulebot.measure.view import View
from rulebot.model.position import PeakProfit, Position
from rulebot.model.values import replace


def note_best(work: StateBuilder, position: Position, bot: CompiledBot, view: View) -> Position:
    """Return the position with its best profits raised by what its legs are worth now."""
    kept: dict[str, Decimal] = {}
    for trailing in bot.trailing:
        of = trailing.measured_by(view.legs)
        before = next((each.amount for each in position.peak_profit if each.of == of), None)
        best = _best(work, position, trailing.call, of, trailing.gain(view), before, view)
        if best is not None:
            kept[of] = best
    found = tuple(PeakProfit(of, amount) for of, amount in kept.items())
    return position if found == position.peak_profit else put_position(work, replace(position, peak_profit=found))


def _best(
    work: StateBuilder, position: Position, call: Call, of: str, gain: float | None, best: Decimal | None, view: View
) -> Decimal | None:
    """Return the best profit with one more reading; an unknown one neither counts nor resets."""
    if gain is None:
        return best
    state = work.bots.by_name[position.bot]
    key = (position.id, of)
    seen = state.trailing.get(key)
    now = Decimal(f"{gain:.9f}")
    if seen is not None and not _counts(seen, call, view):
        if best is None or now > best:
            wake(work, position.bot, seen.at + REREAD - view.now)
        return best
    set_bot(work, position.bot, replace(state, trailing={**state.trailing, key: SeenHolding(now, view.now)}))
    if seen is None:
        wake(work, position.bot, REREAD)
        return best
    lower = min(seen.amount, now)
    if best is None or now > best:
        wake(work, position.bot, REREAD)
    return lower if best is None else max(best, lower)


def _counts(seen: SeenHolding, call: Call, view: View) -> bool:
    """Say whether the current value is a new reading."""
    if view.now - seen.at >= REREAD:
        return True
    of = dict(call.arguments).get("of")
    legs = [leg for leg in view.legs if not isinstance(of, tuple) or leg.name in of]
    return all(leg.row >= 0 and view.board.quote_at[leg.row] > seen.at for leg in legs)
