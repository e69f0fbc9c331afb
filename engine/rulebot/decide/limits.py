"""The one gate before an entry is sent: every limit, in words when it refuses.

Exits do not pass here: what reduces is never refused for a limit on risk.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.compile.plan import DayBounds
from rulebot.measure.view import Exposure
from rulebot.model.cause import Halt, Text
from rulebot.model.money import RAISED_BY, ZERO, dollars
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Between, Unit
from rulebot.spec.spec import Fits, Size

DAY_TRADER_EQUITY = Decimal(25000)
"""Dollars from which on an account may make as many day trades as it likes. Source: as of `_day_trades`."""

_DAY_TEXTS = {
    Halt.DAY_LOSS: "the day's loss",
    Halt.DAY_PROFIT: "the day's profit",
    Halt.ACCOUNT_LOSS: "the account's loss today",
    Halt.ACCOUNT_PROFIT: "the account's profit today",
}
"""Names of what is too large, of a bot or of the account."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A value and its limit in dollars; `missing` says why either is unknown."""

    amount: Decimal | None
    limit: Decimal | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class DayTrades:
    """Round trips within a day that the account may still make: `left` as the broker counts, None when without limit.

    at_work: positions of today that are to be closed today, or were so lately that `left` may not know yet.
    closes_today: the entry is one more.
    """

    left: int | None
    net_liquidation: Decimal | None
    at_work: int
    closes_today: bool


@dataclass(frozen=True, slots=True)
class ShareCoverage:
    """Shares of `symbol` that the short calls of an entry need, and those that no other call needs."""

    symbol: str
    needed: int
    free: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PreTradeCheck:
    """An entry about to be sent, with everything that limits check.

    Units: dollars; price, mid and band per share of one structure, price and mid signed, + received. worst_case: of the
    whole position at its price, commissions included, None without a bound; unknown: why it is unknown. bot_today,
    account_today: realised and open profit since the session began. conflicts: contracts that a bot holds or works on
    the other side. sent: times of our orders of the last minute. stopped: why nothing of it trades, in words. together,
    puts, margin: the worst case of all bots, the cash for their short puts and the account's initial margin, with this
    entry; None when nothing limits them (margin: also until the broker has answered). net: the limit on greeks of all
    bots that it would exceed, in words. required: the other condition of the account document that forbids it, in
    words. contracts, notional: of all legs. entries_today: entry orders sent by all bots. day_trades: None when the
    rule is not applied. reduces: why nothing may be opened at all. rival: who else trades this account, in words.
    is_time_known: the broker has reported its time. takes_records: False while the store does not. unvalued,
    account_unvalued: positions of the bot, and of all, without a sound quote, so without a profit. cover: None unless
    shares must cover its calls. hit: its protective stop that would fill at once, in words. structures: of this entry;
    max_structures, is_built_in: of a run without an account document. notional_missing: why max_notional is unknown.
    legging: the legs of an entry in steps that would lose too much if a later leg does not fill, in words.
    """

    at: datetime
    is_ready: bool
    reduces: str
    is_paused: bool
    halted: str
    worst_case: Decimal | None
    max_loss_per_trade: Decimal | None
    undefined_risk: bool
    bot_today: Decimal
    bot_day: DayBounds
    account_today: Decimal
    account_day: DayBounds
    open_positions: int
    account_max_open: int | None
    conflicts: tuple[str, ...]
    sent: tuple[datetime, ...]
    orders_per_minute: int | None
    stopped: str
    together: Cap | None
    puts: Cap | None
    margin: Cap | None
    contracts: int
    max_contracts: int | None
    notional: Decimal
    max_notional: Decimal | None
    price: Decimal | None
    mid: Decimal | None
    band: Decimal | None
    entries_today: int
    entries_per_day: int | None
    day_trades: DayTrades | None
    structures: int = 1
    max_structures: int | None = None
    is_built_in: bool = False
    notional_missing: str = ""
    net: str = ""
    required: str = ""
    rival: str = ""
    is_time_known: bool = True
    takes_records: bool = True
    unvalued: tuple[str, ...] = ()
    account_unvalued: tuple[str, ...] = ()
    cover: ShareCoverage | None = None
    hit: str = ""
    legging: str = ""
    unknown: str = ""


Check = Callable[[PreTradeCheck], str]

UNRECORDED = "the store does not take records"


def refusal(proposal: PreTradeCheck) -> str:
    """Return why this entry may not be sent, "" when it may."""
    return next((reason for check in CHECKS if (reason := check(proposal))), "")


def _trading(proposal: PreTradeCheck) -> str:
    if proposal.is_paused:
        return "paused by the operator"
    return proposal.reduces


def clock_problem(*, is_known: bool) -> str:
    """Return why nothing is entered while the broker has not reported its time, "" when it has."""
    return "" if is_known else "the broker has not reported its time"


def record_problem(*, takes_records: bool) -> str:
    """Return why nothing is entered while the store takes no records, "" while it does."""
    return "" if takes_records else UNRECORDED


def clock_words(seconds: float) -> str:
    """Return `3,600 s ahead of` or `12 s behind`."""
    return f"{abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'}"


def _worst_case(proposal: PreTradeCheck) -> str:
    return proposal.unknown or worst_case_problem(
        proposal.worst_case, proposal.max_loss_per_trade, proposal.undefined_risk
    )


def worst_case_problem(worst: Decimal | None, limit: Decimal | None, undefined_risk: bool) -> str:
    """Return why a position may not lose so much, "" when it may. Dollars; `worst` None has no bound."""
    if worst is None and limit is not None:
        return f"its loss has no bound, max_loss_per_trade is {dollars(limit)}"
    if worst is None:
        return "" if undefined_risk else "its loss has no bound, and the spec does not allow that"
    if limit is not None and worst > limit:
        return f"could lose {dollars(worst)}, max_loss_per_trade is {dollars(limit)}"
    return ""


def _cover(proposal: PreTradeCheck) -> str:
    found = proposal.cover
    if found is None or found.needed <= found.free:
        return ""
    return f"its calls need {found.needed:,} {found.symbol} shares, {found.free:,f} are held that no call needs"


class DayLimit(NamedTuple):
    """A loss or profit of the day that ends entries, and its text for people."""

    halt: Halt
    text: Text


def account_day_problem(today: Decimal, bounds: DayBounds) -> DayLimit | None:
    """Return why nothing more is entered after what all bots together have made today, dollars; None if it may be."""
    return _made_enough(today, bounds, (Halt.ACCOUNT_LOSS, Halt.ACCOUNT_PROFIT), "its ")


def day_problem(today: Decimal, bounds: DayBounds) -> DayLimit | None:
    """Return why a bot that made `today` dollars in this session enters nothing more in it, None when it may."""
    return _made_enough(today, bounds, (Halt.DAY_LOSS, Halt.DAY_PROFIT), "")


def _made_enough(today: Decimal, bounds: DayBounds, halts: tuple[Halt, Halt], whose: str) -> DayLimit | None:
    loss, profit = halts
    if bounds.loss is not None and today <= -bounds.loss:
        text = f"{_DAY_TEXTS[loss]} is {dollars(-today)}, {whose}daily_loss is {dollars(bounds.loss)}"
        return DayLimit(loss, text)
    if bounds.profit is not None and today >= bounds.profit:
        text = f"{_DAY_TEXTS[profit]} is {dollars(today)}, {whose}daily_profit is {dollars(bounds.profit)}"
        return DayLimit(profit, text)
    return None


def _daily(proposal: PreTradeCheck) -> str:
    if problem := day_problem(proposal.bot_today, proposal.bot_day):
        return problem.text
    if problem := account_day_problem(proposal.account_today, proposal.account_day):
        return problem.text
    unknown = proposal.unvalued if proposal.bot_day.loss is not None else ()
    unknown = proposal.account_unvalued if proposal.account_day.loss is not None else unknown
    return f"{_DAY_TEXTS[Halt.DAY_LOSS]} is unknown (daily_loss): no sound quote for {unknown[0]}" if unknown else ""


def _open(proposal: PreTradeCheck) -> str:
    limit = proposal.account_max_open
    if limit is not None and proposal.open_positions >= limit:
        return f"the account has {counted(proposal.open_positions, 'open position')}, max_open is {limit}"
    return ""


def _conflicts(proposal: PreTradeCheck) -> str:
    if proposal.conflicts:
        return f"held the other way round: {', '.join(proposal.conflicts)}"
    return ""


def _rate(proposal: PreTradeCheck) -> str:
    limit = proposal.orders_per_minute
    recent = sum(1 for at in proposal.sent if proposal.at - at < timedelta(minutes=1))
    if limit is not None and recent >= limit:
        return f"{counted(recent, 'order')} in the last minute, orders_per_minute is {limit}"
    return ""


def halt_words(symbols: tuple[str, ...]) -> str:
    """Return that nothing is entered while these are halted, "" when none is.

    Source: options are halted with what they are on: Nasdaq Rule 4120, Cboe Rule 5.20, Limit Up-Limit Down.
    """
    return f"trading is halted in {', '.join(symbols)}" if symbols else ""


def closed_words(symbols: tuple[str, ...]) -> str:
    """Return that nothing is entered on a day on which these do not trade, "" when all do."""
    return f"by the broker's hours there is no trading today in {', '.join(symbols)}" if symbols else ""


def _over(cap: Cap | None, words: str) -> str:
    if cap is None:
        return ""
    if cap.amount is None or cap.limit is None:
        return cap.missing
    return words.format(dollars(cap.amount), dollars(cap.limit)) if cap.amount > cap.limit else ""


def _size(proposal: PreTradeCheck) -> str:
    if problem := structures_problem(proposal.structures, proposal.max_structures):
        return problem
    limit = proposal.max_contracts
    if limit is not None and proposal.contracts > limit:
        return f"an order of {counted(proposal.contracts, 'contract')}, max_contracts_per_order is {limit}"
    most = proposal.max_notional
    if proposal.notional_missing:
        return proposal.notional_missing
    if most is not None and proposal.notional > most:
        built_in = f"the built-in cap is {dollars(most)}: {RAISED_BY}" if proposal.is_built_in else ""
        allowed = built_in or f"max_notional_per_order is {dollars(most)}"
        return f"an order over {dollars(proposal.notional)}, {allowed}"
    return ""


def structures_problem(count: int, most: int | None) -> str:
    """Return why the built-in cap refuses this many structures, "" when it does not."""
    if most is None or count <= most:
        return ""
    return f"an order of {counted(count, 'structure')}, the built-in cap is {most}: {RAISED_BY}"


def price_problem(price: Decimal | None, mid: Decimal | None, band: Decimal | None) -> str:
    """Return why an entry may not be priced so, "" when it may. Without a price or a mid it may not."""
    if price is None or mid is None or band is None:
        return "no mid that its price could be held against"
    if (away := abs(price - mid)) > band:
        return f"its price would be {away:.2f} from the mid, price_band is {band:.2f}"
    return ""


def _entries(proposal: PreTradeCheck) -> str:
    limit = proposal.entries_per_day
    if limit is not None and proposal.entries_today >= limit:
        return f"all bots together have sent {proposal.entries_today} today, entries_per_day is {limit}"
    return ""


def _day_trades(proposal: PreTradeCheck) -> str:
    """Three day trades in five sessions under $25,000, by the broker's own count.

    Source: FINRA Rule 4210(f)(8)(B) as it stood until 2026: four or more day trades within five business days make a
    pattern day trader, who must have $25,000. SR-FINRA-2025-017 (91 FR 20731) replaces it by intraday margin; brokers
    have until October 2027. So rulebot counts nothing: the broker reports how many remain (DayTradesRemaining, -1 for
    no limit), manual orders included, as long as it applies the old rule.
    """
    found = proposal.day_trades
    if found is None or found.left is None or not found.closes_today:
        return ""
    if found.net_liquidation is not None and found.net_liquidation >= DAY_TRADER_EQUITY:
        return ""
    if found.left > found.at_work:
        return ""
    spoken_for = f", {found.at_work} of them for positions of today" if found.at_work and found.left else ""
    under = dollars(DAY_TRADER_EQUITY)
    return f"no day trade remains: the broker allows {found.left}{spoken_for}, and the account is under {under}"


CHECKS: tuple[Check, ...] = (
    lambda proposal: "" if proposal.is_ready else "not in step with the broker yet",
    _trading,
    lambda proposal: proposal.rival,
    lambda proposal: clock_problem(is_known=proposal.is_time_known),
    lambda proposal: record_problem(takes_records=proposal.takes_records),
    lambda proposal: f"halted: {proposal.halted}" if proposal.halted else "",
    lambda proposal: proposal.stopped,
    _worst_case,
    lambda proposal: proposal.legging,
    _cover,
    _size,
    lambda proposal: price_problem(proposal.price, proposal.mid, proposal.band),
    lambda proposal: proposal.hit,
    _daily,
    _open,
    _entries,
    lambda proposal: _over(proposal.puts, "the short puts of all bots need {}, cash_secured_puts has {}"),
    lambda proposal: _over(proposal.together, "all bots together could lose {}, worst_case is at most {}"),
    lambda proposal: proposal.net,
    lambda proposal: proposal.required,
    lambda proposal: _over(proposal.margin, "the account would need {} of margin, margin is at most {}"),
    _day_trades,
    _conflicts,
    _rate,
)


# --- The account's limits on greeks

_OF_EACH = ("net_delta", "net_gamma")
"""What is held against its ends for each underlying alone: shares of different ones do not add up."""
_SAID = {
    "net_delta": "shares",
    "net_gamma": "shares a point",
    "net_theta": "a day",
    "net_vega": "a point of volatility",
}
NET = frozenset(_SAID)
"""Limits on greeks."""


def net_problem(limits: Mapping[str, Between], exposure: Exposure | None) -> str:
    """Return which limit an entry would pass, "" when none; greeks that are not known refuse it."""
    if not limits or exposure is None:
        return ""
    if exposure.missing:
        return f"what all bots are exposed to is unknown: {exposure.missing}"
    return next((said for name, ends in limits.items() for said in _passed(name, ends, exposure)), "")


def net_held(name: str, ends: Between, exposure: Exposure) -> tuple[bool, str]:
    """Return whether known greeks keep between these ends, and what they are: those that do not, else all."""
    each = _each(name, exposure)
    beyond = {symbol: found for symbol, found in each.items() if _side(name, found, ends)}
    reported = [
        f"{_shown(name, found)} {_SAID[name]}{f' in {symbol}' if symbol else ''}"
        for symbol, found in (beyond or each).items()
    ]
    bounds = [f"at least {_shown(name, ends.low)}" if ends.low is not None else ""]
    bounds.append(f"at most {_shown(name, ends.high)}" if ends.high is not None else "")
    return not beyond, ", ".join(part for part in (*reported, *bounds) if part)


def _each(name: str, exposure: Exposure) -> dict[str, float]:
    """Return a greek by underlying, or under "" that of all where they add up."""
    field = name.removeprefix("net_")
    each = {symbol: float(getattr(greeks, field)) for symbol, greeks in exposure.greeks.items()}
    return each if name in _OF_EACH else {"": sum(each.values())}


def _passed(name: str, ends: Between, exposure: Exposure) -> Iterator[str]:
    for symbol, found in _each(name, exposure).items():
        side = _side(name, found, ends)
        if side:
            of = f" in {symbol}" if symbol else ""
            yield f"all bots together would have {_shown(name, found)} {_SAID[name]}{of}, {name} is {side}"


def _side(name: str, found: float, ends: Between) -> str:
    """Return the end that is passed, in words, "" when none is."""
    if ends.low is not None and found < float(ends.low):
        return f"at least {_shown(name, ends.low)}"
    return f"at most {_shown(name, ends.high)}" if ends.high is not None and found > float(ends.high) else ""


def _shown(name: str, number: float | Decimal) -> str:
    return f"{number:,.2f}" if name in _OF_EACH else dollars(Decimal(f"{number:.2f}"))


# --- How many structures fit a budget

_FITS_VERBS = {Fits.MAX_LOSS: "could lose", Fits.DEBIT: "costs", Fits.CREDIT: "brings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One structure at its order's starting price.

    Units: net and worst per share, net signed, + received; worst at expiry, None without a bound; shares of one
    structure. commission: dollars of opening this many. fees: the most dollars of opening and closing one.
    """

    net: Decimal
    worst: Decimal | None
    shares: int
    commission: Callable[[int], Decimal]
    fees: Decimal


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """How many fit; if none: `missing` is unknown data, `refused` the value of one structure."""

    count: int
    missing: str = ""
    refused: str = ""


def budget_of(amount: Amount, net_liquidation: Decimal | None) -> Decimal | None:
    """Return the dollars of a budget, None while the account's value is not known."""
    if amount.unit is Unit.DOLLARS:
        return amount.value
    return None if net_liquidation is None else amount.value * max(net_liquidation, ZERO)


def fitting(size: Size, at_most: int, one: Priced, net_liquidation: Decimal | None) -> SizeLimits:
    """Return the most structures that fit, commissions included; their cost grows with their count."""
    budget = budget_of(size.amount, net_liquidation)
    name = size.fits.value
    if budget is None:
        return SizeLimits(0, missing=f"net_liquidation of the account is unknown, and quantity counts by it ({name})")
    if _comes_to(size.fits, one, 1) is None:
        return SizeLimits(0, refused=f"quantity: its loss has no bound, so none fits {name}")
    if size.fits is not Fits.MAX_LOSS and (one.net > 0) is (size.fits is Fits.DEBIT):
        other = "a credit" if one.net > 0 else "a debit"
        return SizeLimits(0, refused=f"quantity: it is opened for {other}, and {name} counts by the other")
    count = _most(lambda number: (_comes_to(size.fits, one, number) or ZERO) <= budget, at_most)
    if count:
        return SizeLimits(count)
    found = _comes_to(size.fits, one, 1) or ZERO
    return SizeLimits(
        0, refused=f"quantity: one structure {_FITS_VERBS[size.fits]} {dollars(found)}, {name} is {dollars(budget)}"
    )


def floor_of(size: Size, quantity: int, one: Priced, net_liquidation: Decimal | None) -> Decimal | None:
    """Return the least net price (+ received) at which this many structures still fit, None without a bound.

    one: at a net price of 0. A smaller credit always fits.
    """
    budget = budget_of(size.amount, net_liquidation)
    if budget is None or size.fits is Fits.CREDIT:
        return None
    fees = one.fees * quantity if size.fits is Fits.MAX_LOSS else one.commission(quantity)
    room = (budget - fees) / (one.shares * quantity)
    gross = one.worst if size.fits is Fits.MAX_LOSS else ZERO
    return None if gross is None else gross - room


def _comes_to(fits: Fits, one: Priced, count: int) -> Decimal | None:
    """Return the dollars of this many structures, None without a bound."""
    per_share = {Fits.MAX_LOSS: one.worst, Fits.DEBIT: -one.net, Fits.CREDIT: one.net}[fits]
    if per_share is None:
        return None
    fees = one.fees * count if fits is Fits.MAX_LOSS else one.commission(count)
    return per_share * one.shares * count + (-fees if fits is Fits.CREDIT else fees)


def _most(fits: Callable[[int], bool], at_most: int) -> int:
    """Return the largest count up to `at_most` that fits, 0 when not even one does, by halving."""
    low, high = 0, at_most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
