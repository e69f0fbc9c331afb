"""Corporate actions: splits of shares and their options, seen in the account alone (docs/faults.md row 74).

The broker reports no split: the account has other options than before, and more or fewer shares at the same total cost.
An assignment brings no options, and shares at the strike.
"""

from decimal import Decimal

from rulebot.core.gate.exit_retry import pause_exits
from rulebot.core.queries.account import is_known
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, held_legs
from rulebot.model.contract import Option, Underlying
from rulebot.model.money import ZERO
from rulebot.model.position import HoldReason
from rulebot.model.values import replace

SAME_COST = Decimal("0.05")
"""By how much the cost of all shares may differ after a split: of a part of one it is cash that comes, and the broker
counts the premium of a put that was assigned as cost."""
LESS_THAN_DEALT = Decimal("0.1")
"""Tolerance of the total cost, as a fraction of the change in shares: trades change the cost in proportion."""


def note_options(work: StateBuilder, option: Option, count: Decimal) -> None:
    """Record when the account got options that belong to no position, if its earlier holdings are known.

    An option with the broker's id of one of ours is the same one, renamed.
    """
    if not is_known(work.state) or abs(count) <= abs(work.account.holdings.get(option, ZERO)):
        return
    ours = [leg.option for each in work.positions.by_id.values() for leg in each.legs]
    if option not in ours:
        _note(work, option.symbol)
        for each in ours:
            if option.con_id and option.con_id == each.con_id:
                _note(work, each.symbol)


def note_split(work: StateBuilder, symbol: str, count: Decimal, cost: Decimal) -> None:
    """Put positions on hold whose shares changed in number at the same total cost.

    cost: average dollars a share.
    """
    last = work.account.holdings.get(Underlying(symbol), ZERO), work.account.costs.get(symbol, ZERO)
    if last == (count, cost):
        return
    found = next((each for each in (last, _in_our_books(work, symbol)) if _is_split(*each, count, cost)), None)
    if found is None:
        return
    held, before = found
    _note(work, symbol)
    text = f"its shares were split: the account holds {count.normalize():f} {symbol} at {cost.normalize():f} that were"
    text = f"{text} {held.normalize():f} at {before.normalize():f}"
    for position in active_positions(work):
        has_some = any(leg.held and leg.option.is_share and leg.option.symbol == symbol for leg in position.legs)
        if has_some and not position.is_split:
            pause_exits(work, position, HoldReason.SHARES_SPLIT, text)


def _is_split(held: Decimal, before: Decimal, count: Decimal, cost: Decimal) -> bool:
    paid = held * before
    if not paid or held * count <= 0 or held == count:
        return False
    most = min(SAME_COST, abs(count / held - 1) * LESS_THAN_DEALT)
    return abs(count * cost / paid - 1) <= most


def _in_our_books(work: StateBuilder, symbol: str) -> tuple[Decimal, Decimal]:
    """Return the shares of our positions and their average cost.

    They reveal a split at the start of a run, or one whose cost is reported after the number.
    """
    legs = [leg for leg in held_legs(work) if leg.option.is_share and leg.option.symbol == symbol and leg.opened]
    held = Decimal(sum(leg.signed_held for leg in legs))
    paid = sum((-leg.entry_cash * leg.held / leg.opened for leg in legs), ZERO)
    return held, round(paid / held, 4) if held else ZERO


def _note(work: StateBuilder, symbol: str) -> None:
    work.account = replace(work.account, adjusted={**work.account.adjusted, symbol: work.at})
