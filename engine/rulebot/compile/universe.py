"""A spec with a `universe` is read once for each of its symbols, as if that were its only underlying."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rulebot.compile.condition import rules_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.measures.measure import Place
from rulebot.compile.plan import Call, Constant, Member, Number, Plan, Quantity, Ranking, Rule
from rulebot.compile.problem import Fault, Problem
from rulebot.compile.reads import calls_of, needs_of, needs_together
from rulebot.compile.scope import scope_of
from rulebot.compile.units import coerce, number_quantity
from rulebot.spec.nouns.condition import Amount
from rulebot.spec.spec import Spec, Universe

_NO_NUMBERS = (Quantity.TRUTH, Quantity.TEXT)


def universe_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what must be written beside a universe, and is not."""
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
    whole = replace(plan, needs=needs_together((plan.needs, more)))
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
    """Say whether what ranks is a measure of the legs a symbol would take, which are chosen first then."""
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
            message = f"'{named}' of which symbol? a halt is of the whole bot, in all symbols of its universe"
            yield Problem("RB206", rule.path, message, "an index such as 'vix' is the same for all of them")


def _is_of(call: Call, symbol: str) -> bool:
    return dict(call.arguments).get("of") == symbol


def with_members(spec: Spec, members: tuple[Member, ...], values: Mapping[str, Amount]) -> Plan:
    """Return the plan of the whole bot: that of its first symbol, with all of them and what all need."""
    universe: Universe | None = spec.universe
    assert universe is not None
    rank = universe.rank
    ranking = None if rank is None else Ranking(rank.by, rank.highest, rank.count, ranks_structures(spec, values))
    needs = needs_together(each.plan.needs for each in members)
    return replace(members[0].plan, members=members, ranking=ranking, needs=needs)


def rules_of_members(plan: Plan) -> tuple[Rule, ...]:
    """Return what a universe requires, as it reads for its first symbol."""
    return plan.members[0].require if plan.members else ()
