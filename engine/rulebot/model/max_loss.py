"""The most that a trade can lose from now on: the bound of what is open, with what closed parts brought or cost.

One function gives it for the page, the REST interface, the views of the store and the account's limits.
"""

from decimal import Decimal

from rulebot.model.cover import without_covered_calls
from rulebot.model.loss_bound import dollars_at_risk
from rulebot.model.payoff import Holding, Way
from rulebot.model.position import Position, PositionLeg


def max_loss(position: Position) -> Decimal | None:
    """Return the most that the trade can end with as its loss, in dollars, never negative; None without a bound.

    It counts what its closed parts have brought and cost, all commissions paid, and the dearest commissions of closing
    the rest. Calls that shares of the account cover count as covered. Trades that it was rolled from are apart.
    """
    ways = _by_group(position)
    found = dollars_at_risk(ways)
    if found is None and position.max_risk is not None:
        return dollars_at_risk(without_covered_calls(way, dict.fromkeys(_symbols(way))) for way in ways)
    return found


def paid(leg: PositionLeg) -> Decimal:
    """Return the dollars that a leg has brought so far less what it has cost, commissions included."""
    return leg.entry_cash + leg.proceeds - leg.commissions


def _by_group(position: Position) -> list[Way]:
    found: dict[str, Way] = {}
    for leg in position.legs:
        holding: Holding = (leg.option, leg.signed_held, paid(leg))
        found[leg.group] = (*found.get(leg.group, ()), holding)
    return list(found.values())


def _symbols(way: Way) -> tuple[str, ...]:
    return tuple(dict.fromkeys(option.symbol for option, _, _ in way))
