"""Measures of an open position: what closing it costs, profit and loss, time."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, cast

from rulebot.measure.definition import OPEN_POSITION, PART_OR_DOLLARS, SOME_LEGS, Level, Measure, choice
from rulebot.measure.evaluation import NOT_OPEN
from rulebot.measure.ranges import NOT_NEGATIVE
from rulebot.measure.reading import (
    NOW,
    TODAY,
    Calculation,
    ColumnView,
    Context,
    Input,
    LegColumns,
    Read,
    Reading,
    UnknownValue,
    Value,
    exactly,
    larger,
    ratio,
    size_of,
)
from rulebot.measure.tree import OPEN_LEGS, Call, Quantity
from rulebot.measure.usual import WORTH, Usual, gain
from rulebot.measure.view import Held, Ledger, LegView, View
from rulebot.measure.words import fixed
from rulebot.measures.structure import entry_of, legs_named, mark, net_price
from rulebot.model.contract import LOT
from rulebot.model.market import OPTION_AGE
from rulebot.model.session import sessions_after
from rulebot.spec.nouns import Unit

_NOTHING = UnknownValue(NOT_OPEN)
Legs = Sequence[LegView] | Sequence[LegColumns]


def _legs_of(call: Call) -> tuple[str, ...] | None:
    """Return the legs that a call is about, None when it is about the whole trade or its open legs."""
    of = dict(call.arguments).get("of")
    return of if isinstance(of, tuple) else None


def _is_of_open(call: Call) -> bool:
    """Say whether a call is about the legs that are still open alone."""
    return dict(call.arguments).get("of") == OPEN_LEGS


def of_position(find: Callable[[Held], Any]) -> Input:
    """Return something of the open position as an input: of a snapshot and of columns alike."""
    return Input(
        lambda context: lambda view: _NOTHING if view.held is None else find(view.held),
        lambda columns: None if columns.held is None else find(columns.held),
    )


def _worth(call: Call) -> Input:
    """Return what closing what is open brings per share, kept for the other rules that ask at this instant."""
    at, names = str(call.argument("at")), _legs_of(call)

    def reader(context: Context) -> Read:
        limit = context.limit(OPTION_AGE)
        key = ("worth", at, names, limit)

        def read(view: View) -> Reading:
            kept = view.memo.get(key)
            if kept is not None and kept[0] is view.legs:
                return kept[1]  # type: ignore[no-any-return]
            found = net_price(view, at, True, limit, names)
            view.memo[key] = (view.legs, found)
            return found

        return read

    return Input(reader, lambda columns: columns.worth(at, names))


def _value(call: Call) -> Input:
    """Return what closing brings per share; for the whole trade the closed legs' money counts too.

    It is the profit less the entry price, so that contracts that filled beside the structures count in both.
    """
    worth, names, is_of_open = _worth(call), _legs_of(call), _is_of_open(call)

    def reader(context: Context) -> Read:
        of_open, in_dollars = worth.read(context), _open_dollars(call, context)

        def read(view: View) -> Reading:
            held, found = view.held, cast("Reading", of_open(view))
            if not isinstance(found, float) or held is None or held.is_intact or is_of_open:
                return found
            still = in_dollars(view)
            if not isinstance(still, float):
                return still
            ledgers = _ledgers(held, names)
            made = still + sum(ledger.entry_cash + ledger.exit_cash for ledger in ledgers)
            return made / (LOT * held.opened) - sum(ledger.entry_price for ledger in ledgers)

        return read

    def column(columns: ColumnView) -> Any:
        is_whole = columns.held is None or columns.held.is_intact or is_of_open
        return worth.column(columns) if is_whole else None

    return Input(reader, column)


def _entry(call: Call) -> Input:
    """Return the entry price of what is measured, closed legs of the whole trade included."""
    names, is_of_open = _legs_of(call), _is_of_open(call)

    def price(held: Held, legs: Legs) -> float:
        if held.is_intact or is_of_open:
            return entry_of(held, legs, names)
        return sum(ledger.entry_price for ledger in _ledgers(held, names))

    return Input(
        lambda context: lambda view: _NOTHING if view.held is None else price(view.held, view.legs),
        lambda columns: None if columns.held is None or names else price(columns.held, columns.legs),
    )


def cost(call: Call) -> Calculation:
    """Return `cost`: minus value."""
    return Calculation((_value(call),), lambda worth: exactly(0.0 - worth))


def _gain(call: Call, sign: float) -> Calculation:
    """Return what was made per share, as a part of the entry price, or in dollars less commissions paid."""
    if call.quantity is Quantity.DOLLARS:
        return Calculation((_dollars(call), _cash(call)), lambda worth, cash: exactly(sign * (cash + worth)))
    inputs = (_value(call), _entry(call))
    if call.quantity is Quantity.PRICE:
        return Calculation(inputs, lambda worth, entry: exactly(sign * (entry + worth)))

    def part(worth: Value, entry: Value) -> Value | UnknownValue:
        found = ratio(sign * (entry + worth), size_of(entry), "the entry price is 0")
        return found if isinstance(found, UnknownValue) else exactly(found)

    return Calculation(inputs, part)


def _ledgers(held: Held, names: tuple[str, ...] | None) -> list[Ledger]:
    """Return the books of these legs, closed or not; of all without names."""
    return [ledger for name, ledger in held.legs.items() if names is None or name in names]


def _open_dollars(call: Call, context: Context) -> Callable[[View], Reading]:
    """Return what closing what is held of the legs of a call brings, in dollars."""
    at, names, limit = str(call.argument("at")), _legs_of(call), context.limit(OPTION_AGE)

    def still(view: View) -> Reading:
        assert view.held is not None
        total = 0.0
        for leg in view.legs if names is None else legs_named(view, names):
            price = mark(view, leg, at, True, limit)
            if not isinstance(price, float):
                return price
            total += view.held.legs[leg.name].held * price * leg.option.multiplier
        return total

    return still


def _by_structures(call: Call) -> Callable[[Held], bool]:
    """Return what says whether dollars are counted by structures, not by the books of each leg."""
    is_of_some, is_of_open = _legs_of(call) is not None, _is_of_open(call)
    return lambda held: not is_of_some and held.is_whole and (held.is_intact or not is_of_open)


def _dollars(call: Call) -> Input:
    """Return the dollars that closing what is held brings."""
    worth, by_structures = _worth(call), _by_structures(call)

    def reader(context: Context) -> Read:
        of_open, in_dollars = worth.read(context), _open_dollars(call, context)

        def read(view: View) -> Reading:
            held = view.held
            if held is None:
                return _NOTHING
            found: Reading = of_open(view)
            if not isinstance(found, float):
                return found
            return found * LOT * held.quantity if by_structures(held) else in_dollars(view)

        return read

    def column(columns: ColumnView) -> Value | None:
        held = columns.held
        if held is None or not by_structures(held):
            return None
        found: Value | None = worth.column(columns)
        return None if found is None else found * LOT * held.quantity

    return Input(reader, column)


def _cash(call: Call) -> Input:
    """Return the dollars that were received less those paid since it began, or for what is still open."""
    names, is_of_open, by_structures = _legs_of(call), _is_of_open(call), _by_structures(call)

    def cash(held: Held, legs: Legs) -> float:
        if by_structures(held):
            return held.realized + held.entry_price * LOT * held.quantity - held.commissions
        if is_of_open:
            return sum(_entered_for(held.legs[leg.name]) for leg in legs)
        return sum(ledger.made for ledger in _ledgers(held, names))

    def column(columns: ColumnView) -> float | None:
        held = columns.held
        return cash(held, ()) if held is not None and by_structures(held) else None

    return Input(lambda context: lambda view: _NOTHING if view.held is None else cash(view.held, view.legs), column)


def _entered_for(ledger: Ledger) -> float:
    """Return the dollars that what is held of a leg was entered for, less all commissions of the leg."""
    commissions = ledger.entry_cash + ledger.exit_cash - ledger.made
    return ledger.entry_cash * abs(ledger.held) / ledger.opened - commissions


def _give_back(call: Call) -> Calculation:
    """The best profit that is on record less the profit now."""

    def best(view: View) -> Reading:
        found = None if view.held is None else view.held.best.get(measured_by(call, view.legs))
        return UnknownValue("no best profit yet: it takes two readings") if found is None else found

    return Calculation(
        (_gain(call, 1.0).as_input, Input(lambda context: best)), lambda made, best: exactly(best - made)
    )


def measured_by(call: Call, legs: tuple[LegView, ...]) -> str:
    """Return the key of the best profit of a `give_back`.

    For the legs that are open it restarts when one is closed.
    """
    names = tuple(leg.name for leg in legs) if _is_of_open(call) else _legs_of(call)
    return " ".join((str(call.argument("at")), call.quantity.value, *(names or ())))


def best_detail(call: Call, context: Context) -> Callable[[View], str]:
    """Return the words for the best profit that a `give_back` counts from."""

    def words(view: View) -> str:
        best = view.held.best.get(measured_by(call, view.legs)) if view.held is not None else None
        if best is None:
            return ""
        return f"best ${best:,.2f}" if call.quantity is Quantity.DOLLARS else f"best {best * 100:.1f}%"

    return words


def _time_in_trade(call: Call) -> Calculation:
    """Seconds since the first fill."""
    opened = of_position(lambda held: held.opened_at)
    return Calculation((opened, NOW), lambda opened, now: larger(now - opened, 0.0))


def _sessions_in_trade(call: Call) -> Calculation:
    """Sessions after that of the entry, up to the present one."""
    return Calculation(
        (of_position(lambda held: held.opened_on), TODAY), lambda opened, day: float(sessions_after(opened, day))
    )


AT_PRICE = choice("at", "mid", ("mid", "natural"), "Which price of the market it is measured at.", "mid")

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="cost",
        title="Cost",
        about="What closing the position costs now, per share.",
        formula="What closing costs per share: ratio x mid of short legs less that of long legs (natural: ask, bid).",
        source="quotes of the legs",
        units=((Unit.NUMBER, Quantity.PRICE),),
        multiples=("credit",),
        parameters=(AT_PRICE, SOME_LEGS),
        places=OPEN_POSITION,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=cost,
        usual=WORTH,
        phrase=lambda words: f"the cost of closing{words.some_legs}{words.at_natural}",
        subject="the cost",
        bound="cost_bound",
        examples=({"above": 0.25},),
        bounds=(0.25, 0.5),
        let_example={"at": "mid"},
        level=Level("cost_price", "when closing costs this price or {}", "once closing costs {} or {}"),
    ),
    Measure(
        name="value",
        title="Value",
        about="What closing the position brings now, per share.",
        formula="What closing brings per share: minus cost.",
        source="quotes of the legs",
        units=((Unit.NUMBER, Quantity.PRICE),),
        multiples=("debit",),
        parameters=(AT_PRICE, SOME_LEGS),
        places=OPEN_POSITION,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=lambda call: Calculation((_value(call),), exactly),
        usual=WORTH,
        phrase=lambda words: f"what closing{words.some_legs} brings{words.at_natural}",
        subject="the value",
        bound="value_bound",
        examples=({"above": 0.25},),
        bounds=(0.25, 0.5),
        let_example={"at": "mid"},
        level=Level("value_price", "when closing brings this price or {}", "once closing brings {} or {}"),
    ),
    Measure(
        name="profit",
        title="Profit",
        about="Profit of the open position: a part of the entry price, dollars, or a multiple of max_risk.",
        formula="(entry price - cost) / |entry price|; $ is realised + open - commissions paid so far.",
        source="quotes of the legs and the fills",
        units=PART_OR_DOLLARS,
        hidden=(Quantity.PRICE,),
        multiples=("max_risk",),
        parameters=(AT_PRICE, SOME_LEGS),
        places=OPEN_POSITION,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=lambda call: _gain(call, 1.0),
        usual=gain(0.02, 10.0),
        phrase=lambda words: f"the profit{words.of_legs}{words.at_natural}",
        subject="the profit",
        bound="gain_bound",
        examples=({"above": "50%"},),
        bounds=("50%", "60%"),
        let_example={"at": "mid"},
        level=Level("gain", "at this profit or {}", "at a profit of {}"),
    ),
    Measure(
        name="loss",
        title="Loss",
        about=(
            "Loss of the open position, written positive: a part of the entry price, dollars, or a multiple of "
            "max_risk."
        ),
        formula="Minus profit.",
        source="quotes of the legs and the fills",
        units=PART_OR_DOLLARS,
        hidden=(Quantity.PRICE,),
        multiples=("max_risk",),
        parameters=(AT_PRICE, SOME_LEGS),
        places=OPEN_POSITION,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=lambda call: _gain(call, -1.0),
        usual=gain(0.03, 15.0),
        phrase=lambda words: f"the loss{words.of_legs}{words.at_natural}",
        subject="the loss",
        bound="loss_bound",
        examples=({"above": "200%"},),
        bounds=("200%", "300%"),
        let_example={"at": "mid"},
        level=Level("loss_amount", "at this loss or {}", "at a loss of {}"),
    ),
    Measure(
        name="give_back",
        title="Give back",
        about=(
            "Drawdown from the best profit so far, as a part of the entry price or in dollars; the best is the "
            "lower of two readings in a row."
        ),
        formula="Best profit so far - profit; the best is the largest of min(reading, reading before it).",
        source="quotes of the legs, the fills, and the best profit that is kept with the position",
        units=PART_OR_DOLLARS,
        parameters=(AT_PRICE, SOME_LEGS),
        places=OPEN_POSITION,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=_give_back,
        usual=gain(0.02, 1.5),
        phrase=lambda words: f"what was given back of the best profit{words.of_legs}{words.at_natural}",
        subject="what was given back",
        bound="given_back",
        examples=({"above": "20%"},),
        bounds=("20%", "40%"),
        ops=("above", "at_least", "below", "at_most"),
        detail=best_detail,
        level=Level(
            "given_back",
            "when this much or {} of the best profit so far was lost again: a trailing stop",
            "once {} or {} was given back from the best profit",
        ),
    ),
    Measure(
        name="time_in_trade",
        title="Time in trade",
        about="Time since the first fill.",
        formula="Seconds since the first fill.",
        source="the clock and the first fill",
        units=((Unit.SECONDS, Quantity.SECONDS),),
        places=OPEN_POSITION,
        max_age=None,
        reads=("time", "position"),
        calculation=_time_in_trade,
        usual={Quantity.SECONDS: Usual(5.0, inf, shifts=False)},
        reach=NOT_NEGATIVE,
        phrase=fixed("the time since the first fill"),
        subject="the time",
        bound="duration",
        examples=({"above": "2h"},),
        bounds=("2h", "4h"),
        ops=("above", "at_least"),
    ),
    Measure(
        name="sessions_in_trade",
        title="Sessions in trade",
        about="Sessions that have begun since the day of entry: 0 on that day, 1 on the next trading day.",
        formula="Sessions after that of the entry, up to the present one; 0 on the day of entry.",
        source="the exchange calendar and the day of entry",
        units=((Unit.NUMBER, Quantity.DAYS),),
        places=OPEN_POSITION,
        max_age=None,
        reads=("time", "position"),
        calculation=_sessions_in_trade,
        usual={Quantity.DAYS: Usual(0.5, 800.0, zero=True)},
        reach=NOT_NEGATIVE,
        phrase=fixed("the sessions since the day of entry"),
        subject="the number of sessions since the day of entry",
        bound="session_count",
        examples=({"at_least": 1},),
        bounds=(1, 5),
        ops=("above", "at_least", "below", "at_most"),
        is_by_clock=True,
    ),
)
