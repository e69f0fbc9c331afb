"""Limits and budgets beside what the structure can win or lose: by its width, or in the example market."""

from collections.abc import Iterator
from math import inf

from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.number import Number, in_dollars, times
from rulebot.compile.lint.paid import WIDE, PriceRange, paid_about
from rulebot.compile.lint.sample import spots
from rulebot.compile.lint.scenarios import lost_at_likely_prices
from rulebot.compile.lint.stakes import ExamplePayoff
from rulebot.model.contract import LOT
from rulebot.spec.nouns.condition import Path, Unit
from rulebot.spec.spec import Fits

_MOST_DAYS, _LEAST_DAY = 100.0, 0.02
"""Trades that are all lost, and the part of one, beyond which a limit of the day says nothing or acts at once."""
_WINS = 10.0
"""As many trades as may be won before a profit of the day is no limit any more."""
_ROOM, _MOST_SOLD = PriceRange(0.5, 2.0), 0.95
"""How far the entry price may lie from the example's, and the most that is paid for a width, as a part of it."""
_HALF = 0.5
"""The part of the least likely loss below which a limit of a trade is a slip, and not a choice among entries."""
_MOST_OF_WORST = 50.0
"""How many times the largest loss of a trade a limit on it may be."""
_LEAST_OF_WORST = 0.1
"""The part of its width that a spread of an unknown underlying loses at least."""
_LEAST_DOLLARS = 10.0
"""The least daily loss that says something where nobody knows what a position is worth."""
_APART = 4.0
"""How many widths the parts of a structure lose at most, each closed by itself."""
_CRASH = 0.25
"""The largest fall of an index in a day, as a part of its level. Source: 22.6 % on 1987-10-19."""
_FULL = 20.0
"""How many times the largest position a budget may pay for."""


def limits(look: LintContext) -> Iterator[Number]:
    """Yield the limits of a spec, and the budget that its quantity is counted by."""
    stake = look.stake
    yield from _protection(look, stake)
    yield from _budget(look, stake)
    yield from _of_a_trade(look, stake)
    yield from _of_the_day(look, stake)


# ---------------------------------------------------------------- protection


def _protection(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    protect = look.spec.risk.protect
    if protect is None:
        return
    low, then = 1.0, "the stop at the broker lies where no price ever comes"
    planned = look.plan.risk.protect
    if stake is not None and stake.is_sold and planned is not None and planned.of_whole:
        short = max((leg.mid for leg in look.sample.legs.values() if planned.covers(leg.plan.name)), default=0.0)
        if float(protect.times) * stake.entry <= short:
            low, then = short / stake.entry, "the short leg costs as much when it is sold, so nothing is entered"
    path = (*look.spec.risk.path, "protect", "cost")
    value = float(protect.times)
    yield Number(path=path, name="cost", value=value, low=low, high=50, words=times, then=then, shifts=True)


# ---------------------------------------------------------------- budgets


def _budget(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    size = look.spec.size
    if size is None:
        return
    name, value = size.fits.value, float(size.amount.value)
    path: Path = ("quantity", name)
    if size.amount.unit is Unit.MULTIPLE:
        then = "one position takes more than the account is worth, or nothing fits"
        yield Number(path=path, name=name, value=value, low=0.0005, high=1.0, words=times, then=then)
    elif stake is not None and (ends := _of_one(look, stake, size.fits)) is not None:
        low, high = ends[0] * LOT, ends[1] * LOT * look.plan.quantity * _FULL
        is_small = value < low
        then = "it pays for no structure, so nothing is entered" if is_small else "'at_most' alone counts"
        yield Number(path=path, name=name, value=value, low=low, high=high, words=in_dollars, then=then)


def _of_one(look: LintContext, stake: ExamplePayoff, fits: Fits) -> tuple[float, float] | None:
    """Return between which sizes one structure counts against a budget, per share."""
    if fits is Fits.MAX_LOSS:
        return _lost(look, stake)
    paid = paid_about(look, WIDE)
    return None if paid is None else (paid.least, paid.most)


def _lost(look: LintContext, stake: ExamplePayoff) -> tuple[float, float] | None:
    """Return the least and the most that one structure loses per share, for entry prices near the example's."""
    paid = paid_about(look, _ROOM)
    if paid is None or stake.least == -inf:
        return None
    if stake.is_sold:
        most = min(paid.most, -stake.least * _MOST_SOLD)
        return max(-stake.least - most, look.least_loss), -stake.least - paid.least
    return paid.least - stake.least, paid.most - stake.least


# ---------------------------------------------------------------- a trade, a day


def _of_a_trade(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    limit, worst = look.spec.risk.max_loss_per_trade, _worst(look)
    if limit is None:
        return
    count = look.plan.quantity if look.plan.size is None else 1
    is_one = len({leg.group for leg in look.plan.legs}) == 1
    lost = _lost(look, stake) if stake is not None and is_one else None
    low = 0.0 if lost is None else lost[0] * LOT * count * _HALF
    likely = lost_at_likely_prices(look)
    if likely is not None and worst is not None and likely * LOT * count < worst * _APART:
        low = max(low, likely * LOT * count)
    if stake is None and worst is not None:
        low = worst * _LEAST_OF_WORST * count / look.plan.quantity
    high = inf if worst is None else _MOST_OF_WORST * worst
    then = f"a trade loses {in_dollars(worst or 0.0)} at most, so it limits nothing"
    if float(limit) < low:
        then = "a trade can lose more at any likely price, so nothing is entered"
    name, value = "max_loss_per_trade", float(limit)
    path = (*look.spec.risk.path, name)
    yield Number(path=path, name=name, value=value, low=low, high=high, words=in_dollars, then=then)


def _of_the_day(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    spec, day, worst = look.spec, look.plan.risk.day, _worst(look)
    trades = max(spec.entry.per_day or 1, spec.entry.max_open or 1)
    base = worst if worst is not None else _premium(look, stake)
    if base is None:
        yield from _of_an_unknown_day(look)
        return
    then = f"a trade loses {in_dollars(base)} at most, so the limit acts at once or never"
    if worst is None:
        worth = f"the options of a position are worth {in_dollars(base)} in the example"
        then = f"{worth}, so the limit acts at once or never"
    for name, given, most in (("daily_loss", day.loss, _MOST_DAYS), ("daily_profit", day.profit, _WINS)):
        if given is None:
            continue
        high = _most_of_the_market(look) * trades if worst is None else worst * trades * most
        path = (*spec.risk.path, name)
        yield Number(
            path=path, name=name, value=float(given), low=base * _LEAST_DAY, high=high, words=in_dollars, then=then
        )


def _of_an_unknown_day(look: LintContext) -> Iterator[Number]:
    loss = look.plan.risk.day.loss
    if loss is not None:
        then, path = "any quote moves a position by more", (*look.spec.risk.path, "daily_loss")
        low, value = _LEAST_DOLLARS, float(loss)
        yield Number(path=path, name="daily_loss", value=value, low=low, high=inf, words=in_dollars, then=then)


def _most_of_the_market(look: LintContext) -> float:
    """Return the dollars that a position loses in a day that nobody has seen, without a bound by width."""
    levels = [spots(leg.symbol)[1] * leg.ratio for leg in look.plan.legs if not leg.is_shares]
    return max(levels, default=inf) * look.sample.lot * _CRASH


def _premium(look: LintContext, stake: ExamplePayoff | None) -> float | None:
    return None if stake is None else look.sample.premium * look.sample.lot


def _worst(look: LintContext) -> float | None:
    """Return the dollars that a trade loses at most in round numbers, by the width of its strikes; None without one."""
    width = look.worth.most_cost if look.plan.opens_for == "credit" else look.worth.most_value
    if not width or look.plan.overwrite is not None or any(leg.is_shares for leg in look.plan.legs):
        return None
    return width * look.sample.lot
