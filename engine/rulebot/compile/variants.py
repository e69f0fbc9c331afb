"""Compile a spec with a `universe` once for each symbol, as if it were its only underlying."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rulebot.compile.condition import rules_of
from rulebot.compile.data_needs import calls_of, combined_needs, needs_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.plan import Call, Constant, Member, Number, Plan, Quantity, Ranking, Rule
from rulebot.compile.problem import Fault, Problem
from rulebot.compile.scope import scope_of
from rulebot.compile.units import coerce, number_quantity
from rulebot.measure.definition import Place
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Alternative, Amount, Path
from rulebot.spec.spec import Spec, Universe

_NO_NUMBERS = (Quantity.TRUTH, Quantity.TEXT)


def universe_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what a universe requires and the spec does not have."""
    if spec.entry.per_day is None:
        message = "with a universe 'per_day' must be written: it counts the positions of all symbols"
        yield Problem("RB241", spec.entry.path, message, "as in 'per_day: 2'", on_key=True)
    written = [spec.legs.expiry, *(leg.expiry for leg in spec.legs.legs)]
    for each in spec.legs.choose:
        written += [each.expiry, *(leg.expiry for leg in each.legs)]
    for expiry in written:
        if expiry is not None and expiry.trading_class is not None:
            yield Problem("RB260", (*expiry.path, "class"), "one trading class cannot be that of several symbols")


def member(spec: Spec, plan: Plan, values: Mapping[str, Amount]) -> tuple[Member | None, list[Problem]]:
    """Return one symbol of the universe; `spec` is read for it, `plan` is its own."""
    universe = spec.universe
    assert universe is not None
    require, problems = rules_of(universe.require, scope_of(spec, Place.UNIVERSE, values))
    rank: Number | None = None
    try:
        rank = ranked_by(spec, values)
    except Fault as fault:
        message = fault.problem.message.replace(Place.REQUIRE.value, "universe.rank")
        problems = [*problems, fault.problem._replace(message=message)]
    if problems:
        return None, problems
    more = needs_of(require, (), plan.expiry, () if rank is None else (rank,), spec.underlyings[0])
    whole = replace(plan, needs=combined_needs((plan.needs, more)))
    return Member(symbol=spec.underlyings[0], require=require, rank=rank, plan=whole), []


def ranked_by(spec: Spec, values: Mapping[str, Amount]) -> Number | None:
    """Return what the symbol that a spec is read for is ranked by, None without a rank. Raises: Fault."""
    universe = spec.universe
    if universe is None or universe.rank is None:
        return None
    by, path = universe.rank.by, (*universe.rank.path, "by")
    place = Place.REQUIRE if ranks_structures(spec, values) else Place.FILTER
    number = number_of_name(by, scope_of(spec, place, values), path)
    if isinstance(number, Constant) or number_quantity(number) in _NO_NUMBERS:
        raise Fault(Problem("RB203", path, f"'{by}' is no number that differs from symbol to symbol", "as in 'by: iv'"))
    return coerce(number, Quantity.FRACTION) or number  # points of different prices do not compare


def ranks_structures(spec: Spec, values: Mapping[str, Amount]) -> bool:
    """Return whether what ranks is a measure of the legs a symbol would take, which are chosen first then."""
    assert spec.universe is not None
    if spec.universe.rank is None:
        return False
    try:
        number_of_name(spec.universe.rank.by, scope_of(spec, Place.FILTER, values), spec.universe.rank.path)
    except Fault:
        return True
    return False


def halt_problems(spec: Spec, plan: Plan) -> Iterator[Problem]:
    """Yield RB206 for a halt that reads one of the symbols: it halts all of them."""
    for rule in plan.risk.halt_when:
        named = next((call.measure for call in calls_of(rule.test) if _is_of(call, spec.underlyings[0])), None)
        if named is not None:
            message = f"'{named}' needs a symbol: a halt stops the whole bot, in all symbols of its universe"
            yield Problem("RB206", rule.path, message, "an index such as 'vix' is the same for all of them")


def _is_of(call: Call, symbol: str) -> bool:
    return dict(call.arguments).get("of") == symbol


def with_members(spec: Spec, members: tuple[Member, ...], values: Mapping[str, Amount]) -> Plan:
    """Return the plan of the whole bot: its first symbol's, with all symbols and their combined needs."""
    universe: Universe | None = spec.universe
    assert universe is not None
    rank = universe.rank
    ranking = None if rank is None else Ranking(rank.by, rank.highest, rank.count, ranks_structures(spec, values))
    needs = combined_needs(each.plan.needs for each in members)
    return replace(members[0].plan, members=members, ranking=ranking, needs=needs)


def rules_of_members(plan: Plan) -> tuple[Rule, ...]:
    """Return what a universe requires, as it reads for its first symbol."""
    return plan.members[0].require if plan.members else ()


# --- A spec with `choose` is as many plain specs as it has alternatives


@dataclass(frozen=True, slots=True)
class Variant:
    """One plain spec: the alternative that it takes, None where there is no choice."""

    spec: Spec
    alternative: Alternative | None = None

    @property
    def path(self) -> Path | None:
        """The path of the alternative in the spec."""
        return None if self.alternative is None else self.alternative.path


def variants(spec: Spec) -> tuple[Variant, ...]:
    """Return the plain specs of a spec, in the order of its alternatives."""
    if not spec.legs.choose:
        return (Variant(spec),)
    return tuple(Variant(taking(spec, each), each) for each in spec.legs.choose)


def read_for(spec: Spec, symbol: str) -> Spec:
    """Return the spec with this symbol of its universe as its underlying."""
    return replace(spec, underlyings=(symbol,))


def taking(spec: Spec, alternative: Alternative) -> Spec:
    """Return the spec with this alternative as its only structure; its conditions are added to the entry's."""
    legs = replace(
        spec.legs,
        expiry=alternative.expiry or spec.legs.expiry,
        legs=alternative.legs,
        choose=(),
        require=spec.legs.require if alternative.require is None else alternative.require,
        path=(*alternative.path, "name"),
    )
    return replace(spec, legs=legs, entry=replace(spec.entry, when=(*spec.entry.when, *alternative.when)))


def before_the_choice(spec: Spec) -> Spec:
    """Return the plain spec in which conditions of entry and halts are read: with the expiry that `legs` names."""
    first = taking(spec, spec.legs.choose[0]).legs
    legs = tuple(replace(leg, expiry=None) for leg in first.legs)
    return replace(spec, legs=replace(first, expiry=spec.legs.expiry, legs=legs))


def choice_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB233 for an alternative below one that is always taken."""
    always = next((each for each in spec.legs.choose if not each.when), None)
    if always is not None and always is not spec.legs.choose[-1]:
        below = spec.legs.choose[spec.legs.choose.index(always) + 1]
        message = f"'{below.name}' is never taken: '{always.name}' above it has no 'when', and always is"
        yield Problem("RB233", (*below.path, "name"), message, "put the one without 'when' last")


def alternatives_text(found: Sequence[tuple[Variant, Sequence[Problem]]]) -> list[Problem]:
    """Return the problems of all plain specs, each once."""
    return list(dict.fromkeys(_combined_problems(found)))


def _combined_problems(found: Sequence[tuple[Variant, Sequence[Problem]]]) -> Iterator[Problem]:
    lists = [frozenset(problems) for _, problems in found]
    of_all = lists[0].intersection(*lists)
    marked = [frozenset(each.path for each in problems if each.is_warning) for problems in lists]
    marked_in_all = marked[0].intersection(*marked)
    for variant, problems in found:
        for problem in problems:
            is_first = variant is found[0][0] and problem.is_warning and problem.path in marked_in_all
            if problem in of_all or is_first or _is_inside(variant, problem):
                yield problem
            elif variant.alternative is not None and not problem.is_warning:
                yield _named(problem, variant.alternative.name)


def _named(problem: Problem, alternative: str) -> Problem:
    help_text = "'profit' and 'loss' mean what is sold and what is bought" if problem.code == "RB205" else problem.help
    return problem._replace(message=f"with '{alternative}': {problem.message}", help=help_text)


def _is_inside(variant: Variant, problem: Problem) -> bool:
    path = variant.path
    return path is not None and problem.path[: len(path)] == path
