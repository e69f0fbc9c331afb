"""How crowded an underlying's options are: one number of 0 to 100 made of four, each of 0 to 100 by itself.

| part | weight | is |
|---|---|---|
| volatility | 0.4 | `iv_percentile`; a rank rises and falls with the volatility, so it is that of `iv_rank` too |
| puts | 0.2 | 50 + 50 x log2(puts / calls traded today): half as many puts is 0, as many 50, twice as many 100 |
| skew | 0.2 | 100 x (put - call) / mean of the two, of the volatilities at 25 delta |
| flow | 0.2 | 100 x traded today / (traded today + open), of the options of the legs' expiry that are streamed |

Each is held within 0 and 100. Only the first is a percentile: of the others the broker keeps no history, so their
scales are fixed ones, the same for every underlying and every day. Flow grows with the day, and more so the nearer the
expiry. With any part unknown the whole is: three parts of four would be another number.
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import log2

from rulebot.measure.definition import BEFORE_AN_ENTRY, PLAIN, SYMBOL, WITHOUT_BEYOND, Beside, Measure
from rulebot.measure.evaluation import of_part
from rulebot.measure.ranges import stretch
from rulebot.measure.reading import Calculation, Context, Input, Read, Reading, UnknownValue
from rulebot.measure.tree import Call
from rulebot.measure.usual import RANK
from rulebot.measure.view import View
from rulebot.measures.options import count_of, iv_percentile, put_call_volume, wings
from rulebot.measures.volatility import class_at, expiry_in
from rulebot.model.contract import Right
from rulebot.model.market import OPTION_AGE, Extra

WEIGHTS = {"volatility": 0.4, "puts": 0.2, "skew": 0.2, "flow": 0.2}
"""What each part counts; they add up to 1."""

Parts = dict[str, float]


def _crowding(call: Call) -> Calculation:
    """The weighted sum of its parts."""
    return Calculation(
        (Input(partial(_parts, call)),), lambda found: sum(WEIGHTS[name] * part for name, part in found.items())
    )


def crowding_detail(call: Call, context: Context) -> Callable[[View], str]:
    """Return the words behind a crowding: `volatility 61, puts 79, skew 42, flow 55`."""
    parts = _parts(call, context)

    def words(view: View) -> str:
        found = parts(view)
        return (
            "" if isinstance(found, UnknownValue) else ", ".join(f"{name} {part:.0f}" for name, part in found.items())
        )

    return words


def _parts(call: Call, context: Context) -> Callable[[View], Parts | UnknownValue]:
    """Return the reader of all parts, shared by all rules of one instant."""
    readers: dict[str, Read] = {
        "volatility": iv_percentile(call).reader(context),
        "puts": _puts(call, context),
        "skew": _skew(call, context),
        "flow": _flow(call, context),
    }
    symbol = str(call.argument("of"))

    def read(view: View) -> Parts | UnknownValue:
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        key = (call, context.max_age, class_at(view, symbol, context), expiry)
        found: Parts | UnknownValue | None = view.memo.get(key)
        if found is None:
            found = view.memo[key] = _all(readers, view)
        return found

    return read


def _all(readers: dict[str, Read], view: View) -> Parts | UnknownValue:
    found: Parts = {}
    for name, read in readers.items():
        part = read(view)
        if not isinstance(part, float):
            return UnknownValue(of_part(name, part.reason))
        found[name] = part
    return found


def _within(part: float) -> float:
    return min(max(part, 0.0), 100.0)


def _puts(call: Call, context: Context) -> Read:
    ratio = put_call_volume(call).reader(context)

    def read(view: View) -> Reading:
        found = ratio(view)
        if not isinstance(found, float):
            return found
        return _within(50.0 + 50.0 * log2(found)) if found > 0.0 else 0.0

    return read


def _skew(call: Call, context: Context) -> Read:
    symbol, limit = str(call.argument("of")), context.limit(OPTION_AGE)

    def read(view: View) -> Reading:
        found = wings(view, symbol, context, limit)
        if isinstance(found, UnknownValue):
            return found
        put, other = found
        return _within(200.0 * (put - other) / (put + other))

    return read


def _flow(call: Call, context: Context) -> Read:
    symbol = str(call.argument("of"))

    def read(view: View) -> Reading:
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        trading_class = class_at(view, symbol, context)
        traded = held = 0.0
        for right in Right:
            rows = view.chain(trading_class, expiry, right).values()
            found = _counts(view, rows, f"{trading_class} {expiry} {right.value}s")
            if isinstance(found, UnknownValue):
                return found
            traded, held = traded + found[0], held + found[1]
        both = traded + held
        return (
            100.0 * traded / both if both > 0.0 else UnknownValue(f"{trading_class} {expiry}: none are traded or open")
        )

    return read


def _counts(view: View, rows: Iterable[int], what: str) -> tuple[float, float] | UnknownValue:
    """Return volume and open interest of the options with both known; unknown when there are none."""
    found = [(count_of(view, row, "volume", what), count_of(view, row, "open_interest", what)) for row in rows]
    known = [(one, other) for one, other in found if isinstance(one, float) and isinstance(other, float)]
    if known:
        return sum(one for one, _ in known), sum(other for _, other in known)
    missing = (count.reason for pair in found for count in pair if not isinstance(count, float))
    return UnknownValue(next(missing, f"{what}: none are streamed"))


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="crowding",
        title="Crowding",
        about=(
            "How crowded the underlying's options are, 0 to 100: its percentile of implied volatility, puts over "
            "calls traded today, skew, and what is traded against what is open, with fixed weights."
        ),
        formula=(
            "0.4 x iv_percentile + 0.2 x (50 + 50 x log2(put_call_volume)) + 0.2 x 100 x (put - call) / mean of "
            "the volatilities at 25 delta + 0.2 x 100 x volume / (volume + open interest) of the options of the "
            "legs' expiry that are streamed; each part within 0 and 100. Only the first is a percentile."
        ),
        source="what iv_percentile, put_call_volume and skew read; volume and open interest of the legs' expiry",
        units=PLAIN,
        parameters=(SYMBOL,),
        places=BEFORE_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("spot", "strikes", "facts"),
        calculation=_crowding,
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"the crowding meter{words.of_symbol}",
        subject="crowding",
        bound="score",
        examples=({"above": 60},),
        bounds=(40, 70),
        ops=WITHOUT_BEYOND,
        let_example={"of": "SPY"},
        extras=(Extra.IMPLIED, Extra.OPTION_VOLUME, Extra.COUNTS),
        detail=crowding_detail,
        beside=Beside.WINGS,
    ),
)
