"""The account's state: positions at market, equity, margin, and what an order would change."""

import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from math import isnan
from typing import NamedTuple

from twsim.exchange.broker_state import BrokerState, Holding, WorkingOrder
from twsim.exchange.execution import charge
from twsim.exchange.nbbo import Nbbo, exact, leg_prices, order_touch
from twsim.nouns import CENT, ZERO, Instrument, SecType
from twsim.seams import Margin, PositionView

# --- Margin by strategy, as exchange rules ask of a Reg T account

BROAD_INDEX = Decimal("0.15")
EQUITY = Decimal("0.20")
MINIMUM = Decimal("0.10")
STOCK_INITIAL = Decimal("0.50")
STOCK_LONG = Decimal("0.25")
STOCK_SHORT = Decimal("0.30")
_INDEX = frozenset({"SPX", "VIX", "RUT", "NDX", "XSP"})


class Line(NamedTuple):
    """One position priced: `price` per share, `spot` of the underlying."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    spot: Decimal

    @property
    def value(self) -> Decimal:
        """Market value in dollars, signed."""
        return self.quantity * self.price * self.instrument.multiplier


class Needs(NamedTuple):
    """Initial and maintenance requirement in dollars."""

    initial: Decimal
    maintenance: Decimal


class _Spread(NamedTuple):
    """A short covered by a long, this many of each."""

    short: Line
    long: Line
    quantity: Decimal

    def loss_at(self, level: float) -> Decimal:
        """Return the dollars that it loses by its strikes at a level of the underlying; a gain is negative."""
        points = _worth(self.short.instrument, level) - _worth(self.long.instrument, level)
        return self.quantity * Decimal(str(points)) * self.short.instrument.multiplier


@dataclass(slots=True)
class _Side:
    """The shorts of one right and expiry. naked: what those without cover need; naked_value: their market value."""

    spreads: list[_Spread] = field(default_factory=list)
    naked: Decimal = ZERO
    naked_value: Decimal = ZERO

    @property
    def needed(self) -> Decimal:
        """What they need: those with cover the most that they can lose together."""
        return self.naked + _most_lost(self.spreads)


def _most_lost(spreads: list[_Spread]) -> Decimal:
    """Return the most that spreads of one expiry can lose together, at one of their strikes, in dollars."""
    strikes = {leg.instrument.strike for each in spreads for leg in (each.short, each.long)}
    return max((ZERO, *(sum((each.loss_at(level) for each in spreads), ZERO) for level in strikes)))


_Sides = dict[date, dict[str, _Side]]
"""By expiry and right."""


def _worth(instrument: Instrument, level: float) -> float:
    """Return what an option is worth at expiry, in points."""
    return max(level - instrument.strike if instrument.right == "C" else instrument.strike - level, 0.0)


def margin_needs(lines: Iterable[Line], *, cash_secured_puts: bool = False) -> Needs:
    """Return the requirement of a whole account."""
    by_symbol: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.quantity:
            by_symbol[line.instrument.symbol].append(line)
    initial = maintenance = ZERO
    for group in by_symbol.values():
        options = _options_need(group, cash_secured_puts)
        stock = [line for line in group if line.instrument.sec_type is SecType.STOCK]
        initial += options + sum((abs(line.value) * STOCK_INITIAL for line in stock), ZERO)
        maintenance += options + sum((_stock_maintenance(line) for line in stock), ZERO)
    return Needs(initial.quantize(CENT), maintenance.quantize(CENT))


def _stock_maintenance(line: Line) -> Decimal:
    return abs(line.value) * (STOCK_LONG if line.quantity > 0 else STOCK_SHORT)


def _options_need(group: list[Line], cash_secured_puts: bool) -> Decimal:
    sides: _Sides = defaultdict(lambda: {"C": _Side(), "P": _Side()})
    shares = sum((line.quantity for line in group if line.instrument.sec_type is SecType.STOCK), ZERO)
    for right in ("C", "P"):
        cover = shares if right == "C" else -shares
        _fill_sides(
            sides, [line for line in group if line.instrument.right == right], max(cover, ZERO), cash_secured_puts
        )
    return sum((_both(pair["C"], pair["P"]) for pair in sides.values()), ZERO)


def _both(calls: _Side, puts: _Side) -> Decimal:
    """Return the larger side plus the market value of the other's naked shorts; of spreads alone what both can lose."""
    if not calls.naked and not puts.naked:
        return _most_lost([*calls.spreads, *puts.spreads])
    larger, other = (calls, puts) if calls.needed >= puts.needed else (puts, calls)
    return larger.needed + other.naked_value


def _fill_sides(sides: _Sides, lines: list[Line], cover: Decimal, cash_secured_puts: bool) -> None:
    """Find each short of one right its cover, `cover` shares among it, and add what it needs to its side."""
    longs = [line for line in lines if line.quantity > 0]
    free = {line.instrument.con_id: line.quantity for line in longs}
    shorts = sorted((line for line in lines if line.quantity < 0), key=_most_dangerous)
    left = {line.instrument.con_id: -line.quantity for line in shorts}
    for loses in (False, True):
        for lives_as_long in (operator.eq, operator.gt):
            for short in shorts:
                pairs = [
                    each
                    for each in longs
                    if lives_as_long(_expiry(each), _expiry(short)) and (_loss(short, each) > 0) is loses
                ]
                left[short.instrument.con_id] -= _pair(short, left[short.instrument.con_id], pairs, free, sides)
        if not loses:
            _cover_with_shares(shorts, left, cover)
    for short in shorts:
        side, naked = sides[_expiry(short)][short.instrument.right], left[short.instrument.con_id]
        side.naked += naked * _naked(short, cash_secured_puts)
        side.naked_value += naked * short.price * short.instrument.multiplier


def _cover_with_shares(shorts: list[Line], left: dict[int, Decimal], cover: Decimal) -> None:
    for short in shorts:
        covered = min(left[short.instrument.con_id], cover // short.instrument.multiplier)
        left[short.instrument.con_id] -= covered
        cover -= covered * short.instrument.multiplier


def _pair(short: Line, left: Decimal, able: list[Line], free: dict[int, Decimal], sides: _Sides) -> Decimal:
    """Pair the rest of a short with free longs, least loss first, and return how many are paired."""
    found = ZERO
    for line in sorted(
        able, key=lambda line: (_loss(short, line), abs(line.instrument.strike - short.instrument.strike))
    ):
        used = min(left - found, free[line.instrument.con_id])
        if used and _loss(short, line) < _naked(short, False):
            free[line.instrument.con_id] -= used
            sides[_expiry(short)][short.instrument.right].spreads.append(_Spread(short, line, used))
            found += used
    return found


def _expiry(line: Line) -> date:
    return line.instrument.last_trade_date or date.max


def _most_dangerous(line: Line) -> tuple[date, float]:
    strike = line.instrument.strike
    return _expiry(line), strike if line.instrument.right == "C" else -strike


def _loss(short: Line, long: Line) -> Decimal:
    """Return the most that a one-lot spread can lose by its strikes, in dollars, 0 for a debit spread."""
    width = long.instrument.strike - short.instrument.strike
    points = width if short.instrument.right == "C" else -width
    return max(ZERO, Decimal(str(points))) * short.instrument.multiplier


def _naked(short: Line, cash_secured_puts: bool) -> Decimal:
    """Return the requirement of one uncovered short contract in dollars."""
    instrument, spot = short.instrument, short.spot
    strike = Decimal(str(instrument.strike))
    is_put = instrument.right == "P"
    if is_put and cash_secured_puts:
        return strike * instrument.multiplier
    rate = BROAD_INDEX if instrument.symbol in _INDEX else EQUITY
    out = max(ZERO, spot - strike if is_put else strike - spot)
    floor = MINIMUM * (strike if is_put else spot)
    return (short.price + max(rate * spot - out, floor)) * instrument.multiplier


# --- The account's state

BUYING_POWER_FACTOR = 4


class AccountStanding(NamedTuple):
    """Equity and margin in dollars. `equity` is equity with loan value: cash and stock, without options."""

    cash: Decimal
    equity: Decimal
    net_liquidation: Decimal
    gross: Decimal
    needs: Needs

    @property
    def available(self) -> Decimal:
        """Funds free for new positions."""
        return self.equity - self.needs.initial


def mark_to_market(touch: Nbbo) -> Decimal:
    """Return the price a contract is valued at, 0 where nothing says one."""
    return _quoted(touch) or touch.last or ZERO


def _quoted(touch: Nbbo) -> Decimal | None:
    """Return the mid, or the last trade within the one existing quote; None without quotes."""
    if touch.mid is not None:
        return touch.mid
    if touch.bid is not None:
        return touch.bid if touch.last is None else max(touch.last, touch.bid)
    if touch.ask is not None:
        return touch.ask if touch.last is None else min(touch.last, touch.ask)
    return None


def _line(desk: BrokerState, instrument: Instrument, quantity: Decimal, touch: Nbbo) -> Line:
    """Return a position at market; after the close it is worth what it was, as the real broker shows it.

    Shares have a closing price then; an option's last trade may be hours old.
    """
    price = _quoted(touch)
    if price is None and not instrument.is_option:
        price = touch.last
    if price is None:
        price = desk.marks.get(instrument.con_id, touch.last or ZERO)
    else:
        desk.marks[instrument.con_id] = price
    return Line(instrument, quantity, price, _level(desk, instrument, touch) or price)


def _level(desk: BrokerState, instrument: Instrument, touch: Nbbo) -> Decimal | None:
    """Return the underlying's price: while the market is closed its last price, or that of the day before."""
    if not isnan(touch.spot) or not instrument.is_option:
        return exact(touch.spot)
    day = desk.market.stats(instrument.underlying_id)
    known = day.previous_close if day.last is None else day.last
    return None if known is None else exact(known)


def standing(desk: BrokerState, cash: Decimal, quantities: Mapping[int, Decimal]) -> AccountStanding:
    """Return the state of an account with this cash and these positions at the present market."""
    held = {con_id: quantity for con_id, quantity in quantities.items() if quantity}
    quotes = desk.quotes(held)
    lines = [_line(desk, desk.instrument(con_id), quantity, quotes[con_id]) for con_id, quantity in held.items()]
    stock = sum((line.value for line in lines if line.instrument.sec_type is SecType.STOCK), ZERO)
    value = sum((line.value for line in lines), ZERO)
    gross = sum((abs(line.value) for line in lines), ZERO)
    needs = margin_needs(lines, cash_secured_puts=desk.settings.cash_secured_puts)
    return AccountStanding(cash, cash + stock, cash + value, gross, needs)


def present(desk: BrokerState) -> AccountStanding:
    """Return the account's present state."""
    return standing(desk, desk.account.cash, _quantities(desk))


def _quantities(desk: BrokerState) -> dict[int, Decimal]:
    return {con_id: held.quantity for con_id, held in desk.account.holdings.items() if held.quantity}


def preview(desk: BrokerState, order: WorkingOrder) -> tuple[AccountStanding, AccountStanding, Decimal]:
    """Return the account's state now and after the rest of the order fills, and the commission."""
    quotes = desk.quotes(leg.instrument.con_id for leg in order.legs)
    price = _expected_price(order, quotes)
    prices = leg_prices(order.legs, quotes, price)
    quantities, cash, commission, paid = _quantities(desk), desk.account.cash, ZERO, order.broker_fee
    for leg, leg_price in zip(order.legs, prices, strict=True):
        side, instrument = order.side * leg.sign, leg.instrument
        count = order.remaining * leg.ratio
        fee, paid = charge(instrument, count, leg_price, sold=side < 0, paid=paid, single=not order.is_combo)
        commission += fee
        cash -= side * count * leg_price * instrument.multiplier + fee
        quantities[instrument.con_id] = quantities.get(instrument.con_id, ZERO) + side * count
    return present(desk), standing(desk, cash, quantities), commission


def _expected_price(order: WorkingOrder, quotes: dict[int, Nbbo]) -> Decimal:
    ticket, touch = order.ticket, order_touch(order.legs, quotes)
    if ticket.order_type in ("LMT", "STP LMT") and ticket.limit_price is not None:
        return ticket.limit_price
    if ticket.order_type == "STP" and ticket.aux_price is not None:
        return ticket.aux_price
    far = touch.far(order.side)
    return far if far is not None else mark_to_market(touch)


def margin_answer(desk: BrokerState, order: WorkingOrder) -> Margin:
    before, after, commission = preview(desk, order)
    short = after.available < 0
    return Margin(
        initial_before=before.needs.initial,
        maintenance_before=before.needs.maintenance,
        equity_before=before.equity.quantize(CENT),
        initial_after=after.needs.initial,
        maintenance_after=after.needs.maintenance,
        equity_after=after.equity.quantize(CENT),
        commission=commission,
        warning=margin_text(after) if short else "",
    )


def margin_text(after: AccountStanding) -> str:
    """Return the broker's words for an order that the account cannot carry."""
    return (
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
        f"[{after.equity:.2f} USD] MUST EXCEED THE INITIAL MARGIN [{after.needs.initial:.2f} USD]"
    )


def margin_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    """Return why the account cannot carry the order, None when it can or when it closes what needs margin.

    What closes without that is asked as any other: a long that covers a short, shares under a call, and a covered call,
    whose price is paid in cash.
    """
    if not desk.settings.check_margin:
        return None
    before, after, _ = preview(desk, order)
    if after.needs.initial < before.needs.initial and _only_closes(desk, order):
        return None
    return margin_text(after) if after.available < 0 and after.available < before.available else None


def _only_closes(desk: BrokerState, order: WorkingOrder) -> bool:
    for leg in order.legs:
        held = desk.account.quantity(leg.instrument.con_id)
        change = order.side * leg.sign * order.remaining * leg.ratio
        if held * change >= 0 or abs(change) > abs(held):
            return False
    return True


def position_views(desk: BrokerState) -> list[PositionView]:
    """Return the net positions at market, by contract id."""
    return _views(desk, {con_id: one for con_id, one in sorted(desk.account.holdings.items()) if one.quantity})


def all_views(desk: BrokerState) -> list[PositionView]:
    """Return also those that are flat."""
    return _views(desk, dict(sorted(desk.account.holdings.items())))


def position_view(desk: BrokerState, con_id: int) -> PositionView:
    """Return one position, also when it is flat or never was."""
    held = desk.account.holdings.get(con_id)
    if held is None:
        return PositionView(con_id, ZERO, ZERO, None, None, None, ZERO)
    return _views(desk, {con_id: held})[0]


def begin_day(desk: BrokerState) -> None:
    """Note what each position had made until now: profits of the day count from here."""
    for view in all_views(desk):
        one = desk.account.holdings[view.con_id]
        one.realized_before, one.made_before = one.realized, one.realized + (view.unrealized or ZERO)


def begin_with(desk: BrokerState) -> None:
    """Value positions that are held from the start at the last close before, and note what they had made."""
    for con_id, one in desk.account.holdings.items():
        closed = desk.market.stats(con_id).previous_close
        if closed is not None and (price := exact(closed)) is not None:
            desk.marks[con_id] = price
            one.made_before = one.quantity * price * desk.instrument(con_id).multiplier - one.cost


def _views(desk: BrokerState, held: Mapping[int, Holding]) -> list[PositionView]:
    quotes = desk.quotes(con_id for con_id, one in held.items() if one.quantity)
    return [_view(desk, con_id, one, quotes.get(con_id)) for con_id, one in held.items()]


def _view(desk: BrokerState, con_id: int, one: Holding, touch: Nbbo | None) -> PositionView:
    """Return a position; a flat one has no quote, and its contract may be gone."""
    line = None if touch is None else _line(desk, desk.instrument(con_id), one.quantity, touch)
    value = ZERO if line is None else line.value
    unrealized = value - one.cost
    return PositionView(
        con_id,
        one.quantity,
        one.average_cost,
        None if line is None else float(line.price),
        value.quantize(CENT),
        unrealized.quantize(CENT),
        one.realized - one.realized_before,
        (unrealized + one.realized - one.made_before).quantize(CENT),
    )


def account_values(desk: BrokerState, unrealized: Sequence[Decimal | None]) -> dict[str, str]:
    """Return the account keys of the wire; dollars with two decimals."""
    now = present(desk)
    initial, maintenance = now.needs
    excess = now.equity - maintenance
    cushion = excess / now.net_liquidation if now.net_liquidation else ZERO
    amounts = {
        "NetLiquidation": now.net_liquidation,
        "TotalCashValue": now.cash,
        "TotalCashBalance": now.cash,
        "CashBalance": now.cash,
        "SettledCash": now.cash,
        "EquityWithLoanValue": now.equity,
        "PreviousDayEquityWithLoanValue": now.equity,
        "GrossPositionValue": now.gross,
        "OptionMarketValue": now.net_liquidation - now.equity,
        "StockMarketValue": now.equity - now.cash,
        "BuyingPower": max(ZERO, now.available) * BUYING_POWER_FACTOR,
        "AvailableFunds": now.available,
        "FullAvailableFunds": now.available,
        "LookAheadAvailableFunds": now.available,
        "ExcessLiquidity": excess,
        "FullExcessLiquidity": excess,
        "LookAheadExcessLiquidity": excess,
        "InitMarginReq": initial,
        "FullInitMarginReq": initial,
        "LookAheadInitMarginReq": initial,
        "MaintMarginReq": maintenance,
        "FullMaintMarginReq": maintenance,
        "LookAheadMaintMarginReq": maintenance,
        "RegTEquity": now.equity,
        "RegTMargin": initial,
        "SMA": now.available,
        "UnrealizedPnL": sum((amount for amount in unrealized if amount is not None), ZERO),
        "RealizedPnL": desk.account.realized_today,
    }
    texts = {"AccountType": "INDIVIDUAL", "AccountReady": "true", "AccountCode": desk.account_id, "Currency": "USD"}
    texts["DayTradesRemaining"] = str(desk.day_trades.remaining(now.net_liquidation))
    return texts | {key: f"{amount:.2f}" for key, amount in amounts.items()} | {"Cushion": f"{cushion:.6f}"}
