"""The exits of a plan as its spec says them: one that is judged part by part is one again."""

from dataclasses import replace

from rulebot.compile.alone import OF_SHORTS
from rulebot.compile.plan import Argument, Call, Compare, ExitPlan, Holds, Plan, RollPlan, Rule, Truth
from rulebot.compile.reads import calls_of
from rulebot.evaluate.phrases import NamingContext

EACH_WORDS = {"each_side": "each side", "each_short": "each short leg"}


def exits_as_written(plan: Plan) -> tuple[ExitPlan, ...]:
    """Return the exits by their written names, in order; the parts of one that is judged part by part are merged."""
    parts: dict[str, list[ExitPlan]] = {}
    for planned in plan.exits:
        parts.setdefault(planned.written or planned.name, []).append(planned)
    return tuple(_merged(name, found) if found[0].each else found[0] for name, found in parts.items())


def _merged(name: str, parts: list[ExitPlan]) -> ExitPlan:
    rule, legs = parts[0].rule, tuple(dict.fromkeys(leg for part in parts for leg in part.legs))
    assert rule is not None
    judged = tuple(dict.fromkeys(leg for part in parts for leg in _judged(part)))
    rule = replace(rule, name=name, test=_of(rule.test, judged))
    return replace(parts[0], name=name, legs=legs, rule=rule, roll=_rolled(parts))


def _rolled(parts: list[ExitPlan]) -> RollPlan | None:
    """Return what the parts roll into as one, each leg once; None where they close."""
    first = parts[0].roll
    if first is None:
        return None
    legs = {leg.name: leg for part in parts if part.roll is not None for leg in part.roll.legs}
    return replace(first, legs=tuple(legs.values()))


def _call(test: Truth) -> Call:
    call = test.left if isinstance(test, Compare) else test.call if isinstance(test, Holds) else None
    assert isinstance(call, Call)
    return call


def _judged(planned: ExitPlan) -> tuple[str, ...]:
    of = _call(planned.rule.test).argument("of") if planned.rule is not None else ()
    return of if isinstance(of, tuple) else ()


def _of(test: Truth, judged: tuple[str, ...]) -> Truth:
    """Return the test of all legs that are judged; what is of the whole position unless it names legs, names none."""
    call = _call(test)
    given: dict[str, Argument] = dict(call.arguments)
    given.pop("of")
    if call.measure in OF_SHORTS:
        given["of"] = judged
    call = replace(call, arguments=tuple(sorted(given.items(), key=lambda item: item[0])))
    return replace(test, left=call) if isinstance(test, Compare) else Holds(call)


def each_words(planned: ExitPlan) -> str:
    """Return `each side by itself`, "" for an exit that is judged as one."""
    if not planned.each or planned.rule is None:
        return ""
    return f"{EACH_WORDS[planned.each]} by itself{_against(planned.rule)}"


def naming_context_for(planned: ExitPlan, cast: NamingContext) -> NamingContext:
    """Return whom an exit speaks of: percentages of one that is judged part by part are of the part's own price."""
    return replace(cast, entry="entry price of that part") if planned.each else cast


def _against(rule: Rule) -> str:
    """Return what a multiple of the credit is of: of the whole structure's, also for a part of it."""
    base = {call.measure for call in calls_of(rule.test)} & {"credit", "debit"}
    return f", against the {base.pop()} of the whole structure" if base else ""
