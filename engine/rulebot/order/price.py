"""What a structure costs or brings right now, and the price an order of it may carry.

Prices here are net: signed per share of one structure, + received. The wire's sign is put on in `draft.py`.
"""

from collections.abc import Collection
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from rulebot.model.contract import SHARE_TICKS, Option, Settlement, product
from rulebot.model.facts import Grids
from rulebot.model.market import Board
from rulebot.model.money import ZERO, Rounding, TickRule
from rulebot.model.payoff import best_case, ends_together, least_payoff
from rulebot.model.quotes import QuoteFault, fault_text, lacks_bid, quote_fault, quote_problem
from rulebot.model.texts import Text

NONE_TOLD: Grids = {}


class Part(NamedTuple):
    """One leg as it is dealt: `flow` is +1 when it is sold (money comes in), -1 when it is bought.

    `weight` is what a point of it is worth in the price of the whole.
    """

    option: Option
    flow: int
    weight: int


class NetQuote(NamedTuple):
    """Net mid and natural of a structure; None with the reason in `missing` when a leg's quote is not sound.

    ticks: the price grid of an order for it; None where it is that of the table of products. fault: what decisions read
    of `missing`. brief: the same words without a number that changes from one instant to the next.
    """

    mid: float | None
    natural: float | None
    missing: Text = ""
    ticks: TickRule | None = None
    fault: QuoteFault | None = None
    brief: Text = ""


def net_quote(
    parts: Collection[Part],
    board: Board,
    now: float,
    *,
    closing: bool = False,
    told: Grids = NONE_TOLD,
    sells_dead: bool = False,
) -> NetQuote:
    """Return what dealing these parts brings at mid and at once (natural: sold at the bid, bought at the ask).

    What is bought needs an ask only: a bid of size 0 counts as a bid of 0. What is sold needs a bid. closing: a bid
    that has not been told yet counts as 0, too. told: the price grids that the broker has told. sells_dead: what is
    sold and has no bid brings 0, as exchanges deal combos of which a leg is worthless.
    """
    mid = natural = 0.0
    for option, flow, weight in parts:
        row = board.rows.get(option, -1)
        fault = quote_fault(board, row, now)
        if fault is QuoteFault.NO_BID and flow < 0 and (closing or lacks_bid(board, row)):
            mid -= weight * board.ask[row] / 2
            natural -= weight * board.ask[row]
            continue
        if fault is QuoteFault.NO_BID and flow > 0 and sells_dead:
            continue
        if fault:
            words = f"{option}: {quote_problem(board, row, now)}"
            return NetQuote(None, None, words, fault=fault, brief=f"{option}: {fault_text(fault)}")
        bid, ask = board.bid[row], board.ask[row]
        mid += flow * weight * (bid + ask) / 2
        natural += flow * weight * (bid if flow > 0 else ask)
    return NetQuote(mid, natural, ticks=ticks_of(parts, told) if told else None)


@lru_cache(maxsize=4096)
def surely_lost_below(parts: tuple[Part, ...]) -> Decimal | None:
    """Return the net price below which dealing these legs together loses wherever the market goes until they end.

    What is bought back is never worth more than that, and what is sold never less. Exchanges turn away combos that are
    priced beyond it by more than a tenth of their width, and let no market order trade there (of verticals, butterflies
    and boxes: Cboe, SR-CBOE-2015-107, 80 FR 77038). None without a bound, for one leg, for index options of several
    expiries, and for what surely pays something (a box that is sold), which is worth less before it does.
    """
    if len(parts) < 2 or not (ends_together((option, 1) for option, _, _ in parts) or _outlasts(parts)):
        return None
    least = least_payoff((option, flow * weight) for option, flow, weight in parts)
    return None if least is None or least > 0 else least


def _outlasts(parts: tuple[Part, ...]) -> bool:
    """Say whether what is sold is worth its exercise value for as long as what is bought back lives.

    American options are, for they can be exercised. A European option of an index can be worth less: a put by the
    interest on its strike, a call by dividends.
    """
    options = [(part.option, 1) for part in parts if part.flow < 0]
    is_american = all(product(part.option.symbol).settlement is Settlement.SHARES for part in parts)
    return is_american and ends_together(options)


def never_pays(parts: tuple[Part, ...]) -> bool:
    """Say whether dealing these legs can bring nothing: a price of 0 or better is not to be had."""
    if len(parts) == 1:
        return parts[0].flow < 0
    if not ends_together((part.option, 1) for part in parts):
        return False
    most = best_case([(option, flow * weight) for option, flow, weight in parts], ZERO)
    return most is not None and most <= 0


def at_market(natural: float, parts: tuple[Part, ...]) -> Decimal:
    """Return the net price at which a market order for these legs trades.

    It is natural, of legs of one expiry within `surely_lost_below`. Of several expiries it may be beyond that.
    """
    is_held_to_it = ends_together((option, 1) for option, _, _ in parts)
    net, least = Decimal(f"{natural:.4f}"), surely_lost_below(parts) if is_held_to_it else None
    return net if least is None else max(net, least)


def ticks_of(parts: Collection[Part], told: Grids = NONE_TOLD) -> TickRule:
    """Return the price grid of an order for these parts: that of its option, or the exchange's grid for combos."""
    option = next(iter(parts)).option
    return option_ticks(option, told) if len(parts) == 1 else ticks_of_options(option.symbol, len(parts))


def option_ticks(option: Option, told: Grids = NONE_TOLD) -> TickRule:
    """Return the price grid of an order for this option, or share, alone: what the broker has told of its class."""
    if option.is_share:
        return SHARE_TICKS
    return told.get(option.trading_class) or product(option.symbol).option_ticks


def ticks_of_options(symbol: str, legs: int) -> TickRule:
    """Return the price grid of an order for so many legs of options on an underlying, by the table of products."""
    facts = product(symbol)
    return facts.option_ticks if legs == 1 else facts.combo_ticks


def limit_net(
    wanted: float | Decimal,
    *,
    natural: float | None,
    floor: Decimal | None,
    ticks: TickRule,
) -> Decimal:
    """Return the net limit on the grid: `wanted` rounded in our favour, never past natural, never under `floor`.

    `floor` is the least that may be received (for a debit: minus the most that may be paid).
    """
    price = ticks.round(wanted, Rounding.UP)
    if natural is not None:
        price = max(price, ticks.round(natural, Rounding.DOWN))
    if floor is not None and price < floor:
        price = ticks.round(floor, Rounding.UP)
    return price
