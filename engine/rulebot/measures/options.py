"""Measures of an underlying's options besides their prices: ranks of volatility, skew, volume and open interest."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import isnan

from rulebot.measure.definition import (
    ALL_LEGS,
    AT_THE_MONEY_TOO,
    BEFORE_AN_ENTRY,
    PART,
    PLAIN,
    SYMBOL,
    VOLATILITY,
    Beside,
    Combine,
    Measure,
    Parameter,
    Takes,
    choice,
)
from rulebot.measure.listings import BAND
from rulebot.measure.ranges import NOT_NEGATIVE, POSITIVE, stretch
from rulebot.measure.reading import Calculation, Context, Input, Read, Reading, UnknownValue, kept, ratio
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import COUNT, RANK, usual
from rulebot.measure.view import LegView, View
from rulebot.measure.words import MeasureText
from rulebot.measures.market import spot_of
from rulebot.measures.structure import each_leg, fewest, names_of
from rulebot.measures.volatility import class_at, expiry_in
from rulebot.model.contract import Right, Underlying, product
from rulebot.model.market import FEED_SILENCE, IMPLIED_AGE, OPTION_AGE, Extra, age_problem

WING_DELTA = Decimal("0.25")
"""The delta at which skew compares a put with a call."""

SESSIONS = 252
LEAST_SESSIONS = 200
"""Sessions with a volatility, of the last 252, without which no rank is given."""
_WIDEST = 0.15
"""How far apart in delta two options may lie between which the volatility at 25 is read."""


# ---------------------------------------------------------------- ranks


def _implied_now(symbol: str) -> Input:
    """Return the underlying's 30-day volatility as an input."""
    contract = Underlying(symbol)

    def reader(context: Context) -> Read:
        limit = context.limit(IMPLIED_AGE)

        def read(view: View) -> Reading:
            row = view.board.rows.get(contract, -1)
            if row < 0:
                return UnknownValue(f"{symbol}: not streamed")
            if problem := age_problem(view.board, row, view.board.model_at[row], view.now, limit):
                return UnknownValue(f"{symbol}: 30-day volatility: {problem}")
            now = view.board.iv[row]
            return UnknownValue(f"{symbol}: no 30-day volatility") if isnan(now) else now

        return read

    return Input(reader)


def _implied_year(symbol: str) -> Input:
    """Return the 30-day volatilities of the sessions before as an input: the same object as long as they are."""

    @kept
    def lately(days: tuple[float, ...]) -> tuple[float, ...] | UnknownValue:
        found = days[-SESSIONS:]
        words = f"{symbol}: 30-day volatility of {len(found)} sessions, {LEAST_SESSIONS} are needed"
        return UnknownValue(words) if len(found) < LEAST_SESSIONS else found

    return Input(lambda context: lambda view: lately(view.facts.implied.get(symbol, ())))


def _iv_rank(call: Call) -> Calculation:
    """The position of volatility between the lowest and the highest, themselves included."""
    symbol = str(call.argument("of"))
    range_of = kept(lambda days: (min(days), max(days)))

    def rank(now: float, days: tuple[float, ...]) -> Reading:
        least, most = range_of(days)
        low, high = min(least, now), max(most, now)
        return (now - low) / (high - low) * 100.0 if high > low else UnknownValue("30-day volatility has not moved")

    return Calculation((_implied_now(symbol), _implied_year(symbol)), rank)


def iv_percentile(call: Call) -> Calculation:
    """Return `iv_percentile`: the share of sessions that closed with less."""
    symbol = str(call.argument("of"))
    return Calculation(
        (_implied_now(symbol), _implied_year(symbol)),
        lambda now, days: 100.0 * sum(day < now for day in days) / len(days),
    )


# ---------------------------------------------------------------- counts


def count_of(view: View, row: int, column: str, what: str, limit: float = FEED_SILENCE) -> Reading:
    """Return a count of the day; it is sent on change, so it is as fresh as the feed."""
    board = view.board
    if row < 0:
        return UnknownValue(f"{what}: not streamed")
    if row in board.frozen:
        return UnknownValue(f"{what}: not live data")
    if view.now - board.alive_at > limit:
        return UnknownValue(f"{what}: no market data for {view.now - board.alive_at:.0f} s")
    value: float = getattr(board, column)[row]
    return UnknownValue(f"{what}: no {column.replace('_', ' ')} yet") if isnan(value) else value


def _counted(call: Call) -> Calculation:
    """`volume` and `open_interest`: of the leg that has least."""
    column = call.measure

    def count(view: View, leg: LegView, limit: float) -> Reading:
        return count_of(view, leg.row, column, leg.name, limit)

    return Calculation((each_leg(names_of(call), count, usual_age=FEED_SILENCE),), fewest)


def _counted_of(symbol: str, name: str) -> Input:
    """Return a count of all options of an underlying as an input."""
    contract = Underlying(symbol)

    def reader(context: Context) -> Read:
        limit = context.limit(FEED_SILENCE)
        return lambda view: count_of(view, view.board.rows.get(contract, -1), name, symbol, limit)

    return Input(reader)


def put_call_volume(call: Call) -> Calculation:
    """Return `put_call_volume`."""
    symbol = str(call.argument("of"))
    return Calculation(
        (_counted_of(symbol, "put_volume"), _counted_of(symbol, "call_volume")),
        lambda puts, calls: ratio(puts, calls, f"{symbol}: no call was traded yet"),
    )


def _put_call_imbalance(call: Call) -> Calculation:
    """Of the listed strikes around spot, puts and calls of the same ones."""
    symbol, column = str(call.argument("of")), str(call.argument("count"))

    def imbalance(puts: float, calls: float) -> Reading:
        both = puts + calls
        return (puts - calls) / both if both > 0.0 else UnknownValue(f"{symbol}: no option of today was counted yet")

    return Calculation(tuple(_todays(symbol, right, column) for right in (Right.PUT, Right.CALL)), imbalance)


def _todays(symbol: str, right: Right, column: str) -> Input:
    """Return the contracts of one side that are counted today as an input."""

    def reader(context: Context) -> Read:
        level, limit = spot_of(symbol, context), context.limit(FEED_SILENCE)

        def read(view: View) -> Reading:
            spot = level(view)
            if not isinstance(spot, float):
                return spot
            strikes = _todays_strikes(view, symbol, spot)
            if isinstance(strikes, UnknownValue):
                return strikes
            return _counted_today(view, symbol, strikes, right, column, limit)

        return read

    return Input(reader)


def _todays_strikes(view: View, symbol: str, spot: float) -> tuple[Decimal, ...] | UnknownValue:
    """Return the strikes that are counted: those which the feed streams around the strike nearest spot."""
    listing = view.facts.listings.get((symbol, product(symbol).same_day_class))
    if listing is None:
        return UnknownValue(f"{symbol}: expiries are not listed yet")
    listed = listing.strikes.get(view.session.date, ())
    if not listed:
        return UnknownValue(f"{symbol}: no options expire today")
    nearest = min(range(len(listed)), key=lambda place: (abs(float(listed[place]) - spot), place))
    return listed[max(0, nearest - BAND) : nearest + BAND + 1]


def _counted_today(
    view: View, symbol: str, strikes: Iterable[Decimal], right: Right, column: str, limit: float
) -> Reading:
    """Return the contracts of one side; unknown while one of its options is."""
    trading_class = product(symbol).same_day_class
    rows = view.chain(trading_class, view.session.date, right)
    total = 0.0
    for strike in strikes:
        found = count_of(view, rows.get(strike, -1), column, f"{trading_class} {strike:f} {right.value}", limit)
        if not isinstance(found, float):
            return found
        total += found
    return total


def _volume_of(symbol: str) -> Calculation:
    return Calculation(
        (_counted_of(symbol, "put_volume"), _counted_of(symbol, "call_volume")), lambda puts, calls: puts + calls
    )


def _volume_rank(call: Call) -> Calculation:
    """Unknown while the volume of one of the symbols is."""
    symbol, among = str(call.argument("of")), call.argument("among")
    assert isinstance(among, tuple)
    symbols = (symbol, *(str(each) for each in among if each != symbol))
    return Calculation(
        tuple(_volume_of(each).as_input for each in symbols),
        lambda own, *others: 1.0 + sum(other > own for other in others),
    )


# ---------------------------------------------------------------- skew


def _skew(call: Call) -> Calculation:
    """The volatility at 25 delta of the puts less that of the calls, percent a year."""
    symbol = str(call.argument("of"))

    def reader(context: Context) -> Callable[[View], tuple[float, float] | UnknownValue]:
        limit = context.limit(OPTION_AGE)
        return lambda view: wings(view, symbol, context, limit)

    return Calculation((Input(reader),), lambda found: (found[0] - found[1]) * 100.0)


def wings(view: View, symbol: str, context: Context, limit: float) -> tuple[float, float] | UnknownValue:
    """Return the volatilities of the put and of the call at 25 delta, as fractions a year."""
    expiry = expiry_in(view, symbol, context)
    if isinstance(expiry, UnknownValue):
        return expiry
    trading_class = class_at(view, symbol, context)
    puts, calls = (_wing(view, trading_class, expiry, right, limit) for right in (Right.PUT, Right.CALL))
    if not isinstance(puts, float):
        return UnknownValue(puts.reason)
    return (puts, calls) if isinstance(calls, float) else UnknownValue(calls.reason)


def _wing(view: View, trading_class: str, expiry: date, right: Right, limit: float) -> Reading:
    """Return the volatility at 25 delta of one side, shared by all rules of one instant."""
    key = ("wing", trading_class, expiry, right, limit)
    found: Reading | None = view.memo.get(key)
    if found is None:
        rows = view.chain(trading_class, expiry, right).values()
        found = view.memo[key] = _at_25(view, rows, f"{trading_class} {expiry} {right.value}s", limit)
    return found


def _at_25(view: View, rows: Iterable[int], what: str, limit: float) -> Reading:
    """Return the volatility at 25 delta, on the line between the two options that enclose it."""
    board, wanted = view.board, float(WING_DELTA)
    fresh = (row for row in rows if not age_problem(board, row, board.model_at[row], view.now, limit))
    known = ((abs(board.delta[row]), board.iv[row]) for row in fresh if board.iv[row] > 0.0)
    for (low, low_iv), (high, high_iv) in pairwise(sorted(each for each in known if not isnan(each[0]))):
        if low <= wanted <= high and high - low <= _WIDEST:
            part = (wanted - low) / (high - low) if high > low else 0.0
            return low_iv + part * (high_iv - low_iv)
    return UnknownValue(f"{what}: none around 25 delta are streamed")


def _imbalance_words(words: MeasureText) -> str:
    counted = "open in" if words.given("count") == "open_interest" else "traded of"
    return f"the excess of puts over calls {counted} today's options{words.of_symbol}"


def _volume_rank_words(words: MeasureText) -> str:
    among = words.given("among")
    count = len(among) if isinstance(among, tuple) else 0
    return f"the place{words.of_symbol} by option volume among {count} symbols"


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="iv_rank",
        title="Rank of volatility",
        about=(
            "The position of the underlying's 30-day implied volatility between the lowest and the highest of 252 "
            "sessions, 0 to 100."
        ),
        formula="100 x (now - lowest) / (highest - lowest) of the underlying's 30-day volatility; now counts too.",
        source="the broker's 30-day implied volatility, now and at the close of 252 sessions",
        units=PLAIN,
        parameters=(SYMBOL,),
        max_age=IMPLIED_AGE,
        reads=("spot", "facts"),
        calculation=_iv_rank,
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"the rank of implied volatility{words.of_symbol} over a year",
        subject="the rank",
        bound="score",
        examples=({"above": 30},),
        bounds=(30, 70),
        let_example={"of": "SPY"},
        is_percentile=True,
        extras=(Extra.IMPLIED,),
    ),
    Measure(
        name="iv_percentile",
        title="Percentile of volatility",
        about=(
            "In which share of 252 sessions the underlying's 30-day implied volatility closed lower than now, 0 to 100."
        ),
        formula="100 x the share of the sessions that closed with less 30-day volatility than now.",
        source="the broker's 30-day implied volatility, now and at the close of 252 sessions",
        units=PLAIN,
        parameters=(SYMBOL,),
        max_age=IMPLIED_AGE,
        reads=("spot", "facts"),
        calculation=iv_percentile,
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"the percentile of implied volatility{words.of_symbol} over a year",
        subject="the percentile",
        bound="score",
        examples=({"above": 30},),
        bounds=(30, 70),
        let_example={"of": "SPY"},
        is_percentile=True,
        extras=(Extra.IMPLIED,),
    ),
    Measure(
        name="volume",
        title="Volume",
        about="Contracts of a leg traded today; of several legs the least.",
        formula="Contracts of a leg traded today; of several legs the least.",
        source="the exchange's counts of the legs",
        units=PLAIN,
        parameters=(ALL_LEGS,),
        places=AT_THE_MONEY_TOO,
        max_age=FEED_SILENCE,
        reads=("legs",),
        calculation=_counted,
        usual=COUNT,
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the day's volume of {words.one_leg()}",
        subject="the volume",
        bound="contracts",
        examples=({"at_least": 100},),
        bounds=(100, 5000),
        let_example={"of": "short_put"},
        combine=Combine.LEAST,
        extras=(Extra.COUNTS,),
    ),
    Measure(
        name="open_interest",
        title="Open interest",
        about="Contracts of a leg that are open, as of the last close; of several legs the least.",
        formula="Contracts of a leg open since yesterday's close; of several legs the least.",
        source="the exchange's counts of the legs",
        units=PLAIN,
        parameters=(ALL_LEGS,),
        places=AT_THE_MONEY_TOO,
        max_age=FEED_SILENCE,
        reads=("legs",),
        calculation=_counted,
        usual=COUNT,
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the open interest of {words.one_leg()}",
        subject="the open interest",
        bound="contracts",
        examples=({"at_least": 250},),
        bounds=(250, 5000),
        let_example={"of": "short_put"},
        combine=Combine.LEAST,
        extras=(Extra.COUNTS,),
    ),
    Measure(
        name="put_call_volume",
        title="Puts over calls",
        about="Puts over calls traded today, of all the underlying's options.",
        formula="Puts traded today / calls traded today, all expiries of the underlying.",
        source="the broker's count of all options of the underlying",
        units=PLAIN,
        parameters=(SYMBOL,),
        max_age=FEED_SILENCE,
        reads=("spot",),
        calculation=put_call_volume,
        usual=usual(Quantity.PLAIN, 0.1, 10.0),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"puts over calls traded today{words.of_symbol}",
        subject="the ratio",
        bound="ratio",
        examples=({"below": 1.2},),
        bounds=(1.0, 1.5),
        let_example={"of": "SPY"},
        extras=(Extra.OPTION_VOLUME,),
    ),
    Measure(
        name="put_call_imbalance",
        title="Put-call imbalance",
        about=(
            "Puts less calls, over both together, of the options at spot that expire today: 20% is three puts for "
            "two calls."
        ),
        formula=(
            "(puts - calls) / (puts + calls) of the options that expire today, at the five listed strikes around "
            "spot; contracts traded today, or open with `count: open_interest`. Unknown without an expiry today."
        ),
        source="volume, or open interest, of the options that expire today",
        units=PART,
        parameters=(
            SYMBOL,
            choice(
                "count",
                "volume",
                ("volume", "open_interest"),
                "What is counted: contracts traded today (by default), or contracts open.",
                "open_interest",
            ),
        ),
        places=BEFORE_AN_ENTRY,
        max_age=FEED_SILENCE,
        reads=("spot",),
        calculation=_put_call_imbalance,
        usual=usual(Quantity.FRACTION, 0.01, 1.0, signed=True, zero=True),
        reach=stretch(-1.0, 1.0),
        phrase=_imbalance_words,
        subject="the imbalance",
        bound="signed_part",
        examples=({"above": "20%"},),
        bounds=("-10%", "10%"),
        let_example={"count": "open_interest"},
        extras=(Extra.COUNTS,),
        beside=Beside.TODAY,
    ),
    Measure(
        name="option_volume",
        title="Option volume",
        about="Contracts traded today of all the underlying's options.",
        formula="Puts and calls traded today, contracts of all expiries of the underlying.",
        source="the broker's count of all options of the underlying",
        units=PLAIN,
        parameters=(SYMBOL,),
        max_age=FEED_SILENCE,
        reads=("spot",),
        calculation=lambda call: _volume_of(str(call.argument("of"))),
        usual=COUNT,
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the day's option volume{words.of_symbol}",
        subject="the option volume",
        bound="contracts",
        examples=({"at_least": 250000},),
        bounds=(100000, 500000),
        let_example={"of": "SPY"},
        extras=(Extra.OPTION_VOLUME,),
    ),
    Measure(
        name="volume_rank",
        title="Volume rank",
        about="The symbol's place by option volume among some symbols: 1 is the volume leader.",
        formula=(
            "1 + how many of the symbols have a larger option_volume; 1 is the leader. Unknown while the volume "
            "of one of them is."
        ),
        source="the broker's count of all options of each symbol",
        units=PLAIN,
        parameters=(
            SYMBOL,
            Parameter(
                name="among",
                takes=Takes.SYMBOLS,
                about="The symbols that it is ranked among; by default those of the bot's universe.",
                example=["AAPL", "MSFT", "NVDA"],
                ref="symbols",
            ),
        ),
        max_age=FEED_SILENCE,
        reads=("spot",),
        calculation=_volume_rank,
        usual=usual(Quantity.PLAIN, 1.0, 1000.0),
        reach=POSITIVE,
        phrase=_volume_rank_words,
        subject="the place",
        bound="place",
        examples=({"at_most": 3},),
        bounds=(1, 3),
        let_example={"among": ["AAPL", "MSFT", "NVDA"]},
        extras=(Extra.OPTION_VOLUME,),
    ),
    Measure(
        name="skew",
        title="Skew",
        about=(
            "Implied volatility of the 25-delta put minus that of the 25-delta call of the legs' expiry, annual "
            "per cent."
        ),
        formula="Volatility of the 25-delta put - that of the 25-delta call, % a year; between two strikes on a line.",
        source="the broker's model of the options around 25 delta, legs' expiry",
        units=VOLATILITY,
        parameters=(SYMBOL,),
        places=BEFORE_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("spot", "strikes"),
        calculation=_skew,
        usual=usual(Quantity.PERCENT, 0.1, 60.0, signed=True, zero=True),
        phrase=lambda words: f"the skew of implied volatility{words.of_symbol}",
        subject="the skew",
        bound="rate_difference",
        examples=({"above": "4%"},),
        bounds=("4%", "8%"),
        let_example={"of": "SPY"},
        beside=Beside.WINGS,
    ),
)
