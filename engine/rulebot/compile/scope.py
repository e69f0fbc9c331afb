"""What the names of one condition can mean: the bot's legs, lets and symbols, and where the condition is."""

from collections.abc import Callable, Mapping
from dataclasses import field
from decimal import Decimal

from rulebot.compile.plan import OPEN_LEGS, SINCE_ENTRY, Argument, Call
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.units import written as as_written
from rulebot.measure.definition import (
    BEFORE_IT_IS_SENT,
    WITH_AN_ENTRY,
    Measure,
    Parameter,
    Place,
    Takes,
    may_stand,
)
from rulebot.measure.series import MINUTE, SIZES
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import is_known
from rulebot.model.learned_model import LearnedModel
from rulebot.model.position import TARGET_MISSED
from rulebot.model.session import Anchor, DayTime, Sessions
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Leg, Let, Path, Side, Strike, StrikeBy, Unit, Word
from rulebot.spec.nouns import Argument as Written
from rulebot.spec.spec import Spec

LONGEST_OPENING = 3 * 3600.0
"""Seconds of the longest opening range: it is formed on half days too."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Names that a condition can use. `values` are parameters used alone as numbers, by name.

    bot: the spec's own name; exits: those of its exits; models: what model files say, by file; universe: all symbols of
    the bot's universe, none for a bot without one.
    """

    place: Place
    symbols: tuple[str, ...]
    legs: Mapping[str, Leg]
    lets: Mapping[str, Let]
    values: Mapping[str, Amount]
    bot: str = ""
    exits: tuple[str, ...] = ()
    models: Mapping[str, LearnedModel] = field(default_factory=dict)
    universe: tuple[str, ...] = ()

    def symbol_of_leg(self) -> dict[str, str]:
        """Return the underlying of every leg."""
        return {name: leg.underlying or self.symbols[0] for name, leg in self.legs.items()}


def scope_of(spec: Spec, place: Place, values: Mapping[str, Amount]) -> Scope:
    """Return the names that a condition of `spec` at `place` can use."""
    return Scope(
        place,
        spec.underlyings,
        {leg.name: leg for leg in (_pair_at_the_money() if place is Place.UNIVERSE else spec.legs.legs)},
        {let.name: let for let in spec.lets},
        values,
        spec.name,
        (*(rule.name for rule in spec.exits), TARGET_MISSED),
        spec.models,
        () if spec.universe is None else spec.universe.symbols,
    )


def scope_of_let(spec: Spec, let: Let, values: Mapping[str, Amount]) -> Scope:
    """Return the names that a let can use: those of the place with the most measures, and its own."""
    measure = VOCABULARY.get(let.measure or "")
    before_entry = measure is not None and not may_stand(measure, Place.EXIT)
    return scope_of(spec, Place.REQUIRE if before_entry else Place.EXIT, values)


def _pair_at_the_money() -> tuple[Leg, ...]:
    """Return the legs for a universe's quotes: the put and the call at the money, bought."""
    at = Strike(by=StrikeBy.AT_SPOT, path=())
    return tuple(Leg(name=right, side=Side.BUY, right=right, strike=at, path=()) for right in ("put", "call"))


def measure_named(name: str, scope: Scope, path: Path, columns: tuple[int, int] | None = None) -> Measure:
    """Return the measure, checked for its place. Raises: Fault."""
    measure = VOCABULARY.get(name)
    if measure is None:
        help_text = f"a parameter is written '${name}' here" if name in scope.values else ""
        help_text = help_text or did_you_mean(name, [*VOCABULARY, *scope.lets])
        raise Fault(Problem("RB112", path, f"unknown measure '{name}'", help_text, columns, columns is None))
    if not may_stand(measure, scope.place):
        raise Fault(Problem("RB206", path, _misplaced(measure, scope.place), _where(measure), columns, columns is None))
    return measure


def _misplaced(measure: Measure, place: Place) -> str:
    lacks = "no position is open" if Place.REQUIRE in measure.places or place is Place.REQUIRE else "there is none"
    if measure.places == WITH_AN_ENTRY:
        return f"'{measure.name}' needs a proposed entry, and in {place.value} none is proposed"
    if measure.places == BEFORE_IT_IS_SENT:
        return f"'{measure.name}' is asked for an entry before it is sent, and in {place.value} there is none"
    if measure.places == frozenset({Place.EXIT}):
        return f"'{measure.name}' needs an open position, and in {place.value} {lacks} yet"
    if Place.FILTER in measure.places:
        return f"'{measure.name}' is read before an entry only"
    return f"'{measure.name}' needs a structure, and in {place.value} none is chosen yet"


def _where(measure: Measure) -> str:
    places = [place.value for place in Place if place is not Place.UNIVERSE and place in measure.places]
    return f"it is allowed in {' or '.join(places)}"


def call_of(
    measure: Measure, given: Mapping[str, Written], scope: Scope, path: Path, columns: tuple[int, int] | None = None
) -> Call:
    """Return the call with every argument resolved and defaults filled in. Raises: Fault."""
    _refuse_unknown(measure, given, path, columns)
    found: dict[str, Argument] = {}
    for parameter in measure.parameters:
        written = given.get(parameter.name)
        where = path if columns else (*path, parameter.name)
        value = _resolved(measure, parameter, written, scope, where, columns)
        if value is not None:
            found[parameter.name] = value
    if measure.refuse is not None and (refusal := measure.refuse(found)) is not None:
        where = (*path, refusal.argument) if refusal.argument and not columns else path
        on_key = refusal.on_key and columns is None
        raise Fault(Problem("RB207", where, refusal.message, refusal.help, columns, on_key))
    if found.get("since") == SINCE_ENTRY and found["of"] != scope.symbols[0]:
        message = f"the entry of a position records the spot of {scope.symbols[0]}, and not of {found['of']}"
        raise Fault(Problem("RB207", path, message, f"write 'of: {scope.symbols[0]}'", columns))
    if measure.is_of_one_underlying and len(scope.symbols) > 1:
        message = f"'{measure.name}' needs one underlying, and this bot has {' and '.join(scope.symbols)}"
        raise Fault(Problem("RB207", path, message, "", columns, columns is None))
    return Call(measure.name, tuple(sorted(found.items(), key=lambda item: item[0])), measure.quantity)


def _refuse_unknown(
    measure: Measure, given: Mapping[str, Written], path: Path, columns: tuple[int, int] | None
) -> None:
    names = [parameter.name for parameter in measure.parameters]
    for name in given:
        if name not in names:
            message = f"'{measure.name}' takes no argument '{name}'"
            raise Fault(Problem("RB207", (*path, name), message, did_you_mean(name, names), columns, columns is None))


def _resolved(
    measure: Measure,
    parameter: Parameter,
    written: Written | None,
    scope: Scope,
    path: Path,
    columns: tuple[int, int] | None,
) -> Argument:
    if written is None:
        if parameter.required:
            message = f"'{measure.name}' needs an argument: {parameter.takes.value}"
            is_count = parameter.takes is Takes.COUNT
            help_text = f"name it: 'let: {{mine: {{{measure.name}: {{{parameter.name}: 20}}}}}}'" if is_count else ""
            if columns is not None and parameter.takes is Takes.SECONDS:  # which no expression can give
                help_text = "it is a separate condition: put both under 'all' or 'any'"
            raise Fault(Problem("RB207", path[:-1] if columns is None else path, message, help_text, columns))
        return _default(measure, parameter, scope, path, columns)
    if _means_open_legs(written) and not measure.takes_open_legs:
        takers = [each.name for each in VOCABULARY.values() if each.takes_open_legs]
        message = f"'of: {OPEN_LEGS}' is for {', '.join(takers[:-1])} and {takers[-1]}"
        raise Fault(Problem("RB207", path, message, "", columns))
    try:
        return _TAKEN[parameter.takes](parameter, written, scope)
    except _Misfit as misfit:
        raise Fault(Problem(misfit.code, path, misfit.message, misfit.help, columns)) from None


def _default(
    measure: Measure, parameter: Parameter, scope: Scope, path: Path, columns: tuple[int, int] | None
) -> Argument:
    if parameter.takes is Takes.SYMBOL:
        if len(scope.symbols) > 1:
            message = f"'{measure.name}' needs a symbol: this bot has {' and '.join(scope.symbols)}"
            help_text = f"write 'of: {scope.symbols[0]}', in an expression {measure.name}({scope.symbols[0]})"
            raise Fault(Problem("RB207", path[:-1] if columns is None else path, message, help_text, columns))
        return scope.symbols[0]
    if parameter.takes is Takes.LEGS and parameter.default is not None:
        legs = _legs(str(parameter.default), scope)
        if not legs:
            message = f"'{measure.name}' is judged on the short legs unless 'of' says which, and this bot has none"
            raise Fault(Problem("RB207", path[:-1] if columns is None else path, message, "", columns))
        return legs
    if parameter.takes is Takes.BOT:
        return scope.bot
    if parameter.takes is Takes.SYMBOLS:
        if not scope.universe:
            message = f"'{measure.name}' needs '{parameter.name}', a list of symbols: this bot has no universe"
            raise Fault(Problem("RB207", path[:-1] if columns is None else path, message, "", columns))
        return scope.universe
    return parameter.default


class _Misfit(Exception):
    def __init__(self, code: str, message: str, help_text: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help_text


def _means_open_legs(written: Written) -> bool:
    return written in (OPEN_LEGS, Word(OPEN_LEGS))


def _word(written: Written) -> str:
    match written:
        case Word(name):
            return name
        case DayTime(anchor=Anchor.OPEN | Anchor.CLOSE, offset=offset) if not offset:
            return str(written.anchor.value)
        case tuple() if len(written) == 1:
            return written[0]
        case str():
            return written
        case _:
            raise _Misfit("RB207", f"a name is expected, is {_shown(written)}")


def _shown(written: Written) -> str:
    return as_written(written) if isinstance(written, Amount) else f"'{written}'"


def _symbol(parameter: Parameter, written: Written, scope: Scope) -> str:
    name = _word(written)
    if name in scope.symbols or (parameter.is_of_market and is_known(name)):
        return name
    own = next((each.name for each in VOCABULARY.values() if each.index == name), "")
    if own:
        raise _Misfit("RB201", f"'{name}' is no underlying of this bot", f"'{own}' is its level")
    raise _Misfit("RB201", f"unknown underlying '{name}'", did_you_mean(name, scope.symbols))


def _leg(name: str, scope: Scope) -> str:
    if name in scope.legs and scope.legs[name].is_shares:
        raise _Misfit("RB207", f"'{name}' is shares: options alone have a strike, a delta or quotes to be judged")
    if name in scope.legs:
        return name
    raise _Misfit("RB201", f"unknown leg '{name}'", did_you_mean(name, tuple(scope.legs)))


def _legs_named(_: Parameter, written: Written, scope: Scope) -> str | tuple[str, ...]:
    if _means_open_legs(written):
        return OPEN_LEGS
    if isinstance(written, tuple):
        return tuple(_leg(name, scope) for name in written)
    name = _word(written)
    if name in ("each_side", "each_short"):
        message = f"'of: {name}' judges each leg separately: use it in a separate exit, in no group or other list"
        raise _Misfit("RB207", message, "here name the legs, or 'short_legs'")
    if name in ("all", "short_legs", "long_legs"):
        return _legs(name, scope)
    return (_leg(name, scope),)


def _legs(which: str, scope: Scope) -> tuple[str, ...]:
    wanted = {"short_legs": (Side.SELL,), "long_legs": (Side.BUY,)}.get(which, (Side.BUY, Side.SELL))
    return tuple(name for name, leg in scope.legs.items() if leg.side in wanted and not leg.is_shares)


def _choice(parameter: Parameter, written: Written, scope: Scope) -> str:
    word = _word(written)
    if word in parameter.in_exits and scope.place is not Place.EXIT:
        message = f"'{parameter.name}: {word}' needs an open position, and in {scope.place.value} there is none"
        raise _Misfit("RB206", message, f"it is allowed in {Place.EXIT.value}")
    if word in parameter.choices:
        return word
    known = ", ".join(parameter.choices)
    raise _Misfit("RB207", f"'{parameter.name}' is one of {known}, is '{word}'", did_you_mean(word, parameter.choices))


def _amount(parameter: Parameter, written: Written, unit: Unit) -> float:
    if isinstance(written, Amount) and written.unit is unit:
        return float(written.value)
    raise _other_kind(parameter, written)


def _other_kind(parameter: Parameter, written: Written) -> _Misfit:
    return _Misfit("RB207", f"'{parameter.name}' takes {parameter.takes.value}, is {_shown(written)}")


def _span(parameter: Parameter, written: Written, _: Scope) -> float | Sessions:
    if isinstance(written, Amount) and written.unit is Unit.SESSIONS:
        return Sessions(int(written.value))
    return _amount(parameter, written, Unit.SECONDS)


def _clock(parameter: Parameter, written: Written, _: Scope) -> DayTime:
    if isinstance(written, DayTime):
        return written
    raise _other_kind(parameter, written)


def _symbols(parameter: Parameter, written: Written, _: Scope) -> tuple[str, ...]:
    if isinstance(written, tuple):
        return tuple(dict.fromkeys(written))
    raise _other_kind(parameter, written)


def _count(parameter: Parameter, written: Written, _: Scope) -> int:
    number = int(written.value) if isinstance(written, Amount) and written.unit is Unit.NUMBER else written
    if isinstance(number, int) and number > 0:
        return number
    raise _other_kind(parameter, written)


def _positive(parameter: Parameter, written: Written, _: Scope) -> float:
    number = written.value if isinstance(written, Amount) and written.unit is Unit.NUMBER else written
    if isinstance(number, int | float | Decimal) and number > 0:
        return float(number)
    raise _other_kind(parameter, written)


def _size(parameter: Parameter, written: Written, _: Scope) -> int:
    seconds = written.value if isinstance(written, Amount) and written.unit is Unit.SECONDS else None
    if seconds in SIZES:
        return int(seconds)
    raise _other_kind(parameter, written)


def _minutes(parameter: Parameter, written: Written, _: Scope) -> float:
    seconds = _amount(parameter, written, Unit.SECONDS)
    if seconds % MINUTE == 0 and MINUTE <= seconds <= LONGEST_OPENING:
        return seconds
    raise _other_kind(parameter, written)


_TAKEN: Mapping[Takes, Callable[[Parameter, Written, Scope], Argument]] = {
    Takes.SYMBOL: _symbol,
    Takes.LEGS: _legs_named,
    Takes.LEG: lambda _, written, scope: _leg(_word(written), scope),
    Takes.CHOICE: _choice,
    Takes.NAMES: lambda _, written, __: written if isinstance(written, tuple) else (_word(written),),
    Takes.CLOCK: _clock,
    Takes.POINTS: lambda parameter, written, _: _amount(parameter, written, Unit.POINTS),
    Takes.SECONDS: lambda parameter, written, _: _amount(parameter, written, Unit.SECONDS),
    Takes.SPAN: _span,
    Takes.COUNT: _count,
    Takes.NUMBER: _positive,
    Takes.SYMBOLS: _symbols,
    **dict.fromkeys(
        (Takes.BOT, Takes.HOOK, Takes.WORD, Takes.FILE, Takes.DIGEST), lambda _, written, __: _word(written)
    ),
    Takes.BARS: _size,
    Takes.OPENING: _minutes,
}
"""How an argument of each kind is read from what is written. Each raises _Misfit."""
