"""Which contracts are worth a market data line, most important first.

Around every strike that could be chosen next a narrow band (`need`) must be streamed and a wider one (`keep`) may
stay, so that lines are not dropped and taken again as spot moves.
"""

from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, TypeVar

from rulebot.compile.data_needs import calls_of, opening_moves
from rulebot.compile.plan import LegPlan, Plan, Rule
from rulebot.evaluate.guess import StrikeEstimator, guess_of
from rulebot.evaluate.strike_terms import listing_of, option_of, preferred
from rulebot.measure.listings import BAND, multiples, options_of, place_among_listed
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Option, Right, Underlying, share
from rulebot.model.facts import Facts
from rulebot.model.values import dataclass

T = TypeVar("T")
MONEY_BAND = 2
"""Strikes on each side of spot that the expected move and implied volatility are read from."""
MONEY_KEPT = MONEY_BAND + 2
"""Of them those that are kept once streamed."""
KEPT = 5
"""Strikes on each side of a guess that are kept once streamed; BAND of them are needed."""


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """Contracts one bot wants: those it needs, and those it would rather keep than take anew."""

    need: tuple[Contract, ...]
    keep: frozenset[Contract]


def levels(plan: Plan) -> tuple[Underlying, ...]:
    """Return the underlyings and indices that the bot reads."""
    return tuple(Underlying(symbol) for symbol in (*plan.needs.symbols, *plan.needs.indices))


def exit_reads(plan: Plan) -> frozenset[str]:
    """Return the names of what its exits look at."""
    return frozenset(name for rule in _exit_rules(plan) for name in rule.reads)


def exit_moves(plan: Plan) -> frozenset[str]:
    """Return the underlyings of which its exits read the expected move of the open."""
    return frozenset(opening_moves(call for rule in _exit_rules(plan) for call in calls_of(rule.test)))


def _exit_rules(plan: Plan) -> Iterator[Rule]:
    return (rule for planned in plan.exits for rule in (planned.rule, *planned.activate_when) if rule is not None)


def exit_levels(plan: Plan) -> tuple[Underlying, ...]:
    """Return the underlyings and indices that its exits read."""
    symbols = {name.partition(":")[2] for name in exit_reads(plan) if name.startswith(("spot:", "index:", "strikes:"))}
    return tuple(contract for contract in levels(plan) if contract.symbol in symbols)


class StrikeTarget(NamedTuple):
    """Where one leg's strikes lie, as places among the strikes of its expiry.

    `money` is next to spot, among all that are listed; `centre` next to what it asks for, among those on its grid, None
    while nothing can be said; `taken` next to what its modifiers make of that.
    """

    expiry: date
    money: int
    centre: int | None
    taken: int | None


def entry_aims(plan: Plan, view: View) -> tuple[StrikeTarget | None, ...]:
    """Return where each leg of the plan, and what it reads beside them, aims now: all that a wish depends on.

    None where that is not known.
    """
    guesses: dict[str, Decimal] = {}
    legs = (*plan.legs, *plan.needs.beside)
    return tuple([None if leg.is_shares else _aim(leg, plan, view, guesses) for leg in legs])


def money_aims(plan: Plan, view: View) -> tuple[StrikeTarget | None, ...]:
    """Return the same without a guess where the legs' strikes will lie: of them only the money is looked at.

    What is read beside them is looked at as a whole, since conditions may be about it.
    """
    return (*at_money(plan.legs, view), *(_aim(leg, plan, view, {}) for leg in plan.needs.beside))


def at_money(legs: Iterable[LegPlan], view: View) -> tuple[StrikeTarget | None, ...]:
    """Return where the money lies among the strikes of each of these legs, None where that is not known."""
    found = (None if leg.is_shares else _listed_once(leg, view) for leg in legs)
    return tuple([None if listed is None else StrikeTarget(listed[0], listed[3], None, None) for listed in found])


def _listed_once(leg: LegPlan, view: View) -> tuple[date, tuple[Decimal, ...], float, int] | None:
    key = ("listed", leg.symbol, leg.trading_class, id(leg.expiry))  # lives longer than the view
    if key not in view.memo:
        view.memo[key] = _listed(leg, view)
    found: tuple[date, tuple[Decimal, ...], float, int] | None = view.memo[key]
    return found


def _aim(leg: LegPlan, plan: Plan, view: View, guesses: dict[str, Decimal]) -> StrikeTarget | None:
    found = _listed_once(leg, view)
    if found is None:
        return None
    expiry, listed_strikes, spot, money = found
    strikes = multiples(listed_strikes, leg.strike.round_to)
    guess = guess_of(StrikeEstimator(leg, plan, strikes, listed_strikes, expiry, spot, view, guesses))
    if guess is None:
        return StrikeTarget(expiry, money, None, None)
    guesses[leg.name] = min(max(guess.taken, strikes[0]), strikes[-1])  # of a level past all strikes the last is taken
    centre = _nearest(strikes, guess.asked)
    taken = centre if guess.taken is guess.asked else _nearest(strikes, guess.taken)
    return StrikeTarget(expiry, money, centre, taken)


def entry_wish(plan: Plan, aims: Iterable[StrikeTarget | None], facts: Facts) -> SubscriptionRequest:
    """Return the options the bot needs to judge an entry and to choose its legs."""
    need: list[Contract] = [share(leg.symbol) for leg in plan.legs if leg.is_shares]
    keep = need.copy()
    near: set[tuple[str, date, int]] = set()
    wide: set[tuple[str, date, int]] = set()
    for leg, aim in zip((*plan.legs, *plan.needs.beside), aims, strict=True):
        if aim is None:
            continue
        strikes = facts.listings[(leg.symbol, leg.trading_class)].strikes[aim.expiry]
        place = (leg.trading_class, aim.expiry, aim.money)
        if place not in near:
            near.add(place)
            need += _money(leg, aim.expiry, strikes, aim.money)
        if aim.centre is None or aim.taken is None:
            continue
        if place not in wide:
            wide.add(place)
            keep += _money(leg, aim.expiry, strikes, aim.money, MONEY_KEPT)
        strikes = multiples(strikes, leg.strike.round_to)
        options = options_of(leg.symbol, leg.trading_class, aim.expiry, strikes, leg.right is Right.CALL)
        for centre in (aim.centre,) if aim.centre == aim.taken else (aim.centre, aim.taken):
            preferred_ones = [option_of(leg, aim.expiry, each) for each in _preferred(leg, strikes, centre)]
            need += (*_band(options, centre, BAND), *preferred_ones)
            keep += (*_band(options, centre, KEPT), *preferred_ones)
    return SubscriptionRequest(tuple(dict.fromkeys(need)), frozenset(keep))


def money_wish(symbols: Container[str], held: Iterable[Option], view: View) -> SubscriptionRequest:
    """Return the options at the money that exits read the expected move or implied volatility of held ones from.

    `symbols` are those whose options the exits read so.
    """
    need: dict[Contract, None] = {}
    keep: set[Contract] = set()
    for option in held:
        listing = view.facts.listings.get((option.symbol, option.trading_class))
        strikes = listing.strikes.get(option.expiry, ()) if listing is not None else ()
        spot = view.level(option.symbol)
        if option.symbol in symbols and strikes and spot is not None:
            place = place_among_listed(strikes, spot)
            need.update(dict.fromkeys(_money(option, option.expiry, strikes, place)))
            keep.update(_money(option, option.expiry, strikes, place, MONEY_KEPT))
    return SubscriptionRequest(tuple(need), frozenset(keep))


def watch_list(
    wishes: Iterable[SubscriptionRequest], pinned: Iterable[Contract], now: tuple[Contract, ...]
) -> tuple[Contract, ...]:
    """Return what to stream: pinned first (open positions, working orders, levels), then wishes in order.

    `now` is what is streamed already: it is returned unchanged when it covers every need and holds nothing that nobody
    would keep.
    """
    wanted: dict[Contract, None] = dict.fromkeys(pinned)
    kept: set[Contract] = set()
    for wish in wishes:
        wanted.update(dict.fromkeys(wish.need))
        kept |= wish.keep
    streamed, needed = set(now), set(wanted)
    if needed <= streamed <= needed | kept:
        return now
    staying = streamed & kept - needed
    return (*wanted, *(contract for contract in now if contract in staying))


def _listed(leg: LegPlan, view: View) -> tuple[date, tuple[Decimal, ...], float, int] | None:
    """Return the leg's expiry with its strikes, spot, and how many strikes lie below it; None while one is unknown."""
    listing, expiry = listing_of(leg, view)
    spot = view.level(leg.symbol)
    if listing is None or spot is None or expiry is None or not (strikes := listing.strikes.get(expiry)):
        return None
    return expiry, strikes, spot, place_among_listed(strikes, spot)


def _preferred(leg: LegPlan, strikes: tuple[Decimal, ...], centre: int) -> list[Decimal]:
    """Return the preferred strikes that one of the band may lead to."""
    step = leg.strike.prefer_round_to
    if step is None or not (band := _band(strikes, centre, BAND)):
        return []
    near = strikes[bisect_left(strikes, band[0] - step) : bisect_left(strikes, band[-1] + step)]
    return sorted({found for strike in band for found in preferred(step, strike, near)} - {*band})


def _money(
    leg: LegPlan | Option, expiry: date, strikes: tuple[Decimal, ...], place: int, count: int = 1
) -> tuple[Contract, ...]:
    calls, puts = (options_of(leg.symbol, leg.trading_class, expiry, strikes, is_call) for is_call in (True, False))
    first, last = max(0, place - count), place + count
    return tuple(chain.from_iterable(zip(calls[first:last], puts[first:last], strict=True)))


def _nearest(strikes: tuple[Decimal, ...], centre: Decimal) -> int:
    at = min(bisect_left(strikes, centre), len(strikes) - 1)
    return at - 1 if at > 0 and centre - strikes[at - 1] < strikes[at] - centre else at


def _band(along: tuple[T, ...], place: int, count: int) -> tuple[T, ...]:
    return along[max(0, place - count) : place + count + 1]
