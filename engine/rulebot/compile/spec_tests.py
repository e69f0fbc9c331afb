"""Check a test against its spec: every name must exist, everything given must be read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from rulebot.compile.build import build_plan, diagnosed
from rulebot.compile.plan import Plan
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.variants import rules_of_members
from rulebot.model.economic_calendar import calendars_of, earnings_of
from rulebot.model.market import Extra
from rulebot.model.values import dataclass
from rulebot.spec.conditions import mapping, sequence
from rulebot.spec.diagnostic import Diagnostic, headline, in_file_order
from rulebot.spec.load import Loaded
from rulebot.spec.nouns import Path
from rulebot.spec.spec_test_document import NOT_LEVELS
from rulebot.spec.spec_test_nouns import (
    DAILY_LOSS,
    DAILY_PROFIT,
    ENDINGS,
    Expectation,
    Opening,
    SpecTest,
    SpecTestMarket,
)

KNOWN_LEVELS = ("SPX", "SPY", "XSP", "VIX", "VIX9D", "VIX1D", "VIX3M")
"""Levels that a market has although a test does not give them."""


def spec_test_problems(trial: SpecTest, plan: Plan, given: Iterable[str]) -> Iterator[Problem]:
    """Yield what one test says that fits its spec not; `given` are the keys of its market."""
    market: Path = (*trial.path, "market")
    yield from _levels(trial.market, plan, tuple(given), market)
    yield from _account(trial, plan)
    if trial.opening is not None:
        found = list(_opening(trial.opening, plan, (*trial.path, "from", "open")))
        yield from found or _quotes(trial, trial.opening, plan)
    yield from _hooks(trial, plan)
    for expected in trial.expect:
        yield from _expected(expected, plan)


def rule_names(plan: Plan) -> tuple[str, ...]:
    """Return the names of all rules of a plan."""
    found = plan.structures()
    rules = [rule for each in found for rule in (*each.entry.when, *each.require)]
    rules += [rule for each in found for rule in (*each.risk.require, *each.risk.halt_when)]
    rolls = (planned.roll for each in found for planned in each.exits if planned.roll is not None)
    rules += [rule for roll in rolls for rule in roll.require]
    rules = [*rules_of_members(plan), *rules]
    judged = (each.name for each in plan.exits if each.rule is not None)
    return tuple(dict.fromkeys([*(rule.name for rule in rules), *judged]))


def leg_names(plan: Plan) -> tuple[str, ...]:
    """Return the names of all legs that the bot may open."""
    return tuple(dict.fromkeys(leg.name for each in plan.structures() for leg in each.legs))


def _levels(market: SpecTestMarket, plan: Plan, given: tuple[str, ...], path: Path) -> Iterator[Problem]:
    read = {*plan.needs.symbols, *plan.needs.indices}
    for name in given:
        symbol = name.upper()
        if name == "rv" and not plan.needs.realised:
            yield Problem("RB281", (*path, name), "this bot reads no realised volatility", "remove it", on_key=True)
        elif name in NOT_LEVELS:
            continue
        elif symbol not in read and not (symbol == "SPX" and {"SPY", "XSP"} & read):
            yield _not_read(symbol, read, (*path, name))
    yield from _by_symbol(market, plan, read, path)
    for symbol in sorted(read - market.levels.keys() - set(KNOWN_LEVELS)):
        help = f"add '{symbol.lower()}: 100'"
        yield Problem("RB281", path, f"this bot reads {symbol}, and the market does not give its level", help)


def _by_symbol(market: SpecTestMarket, plan: Plan, read: Set[str], path: Path) -> Iterator[Problem]:
    """Yield RB281 for each symbol in a table of the market that the bot does not read there."""
    priced = {leg.symbol for each in plan.structures_of_all() for leg in each.legs}
    counted = {symbol for symbol, extra in plan.needs.extras if extra is Extra.COUNTS}
    traded = {symbol for symbol, extra in plan.needs.extras if extra is Extra.OPTION_VOLUME}
    symbols_with_calendar = {each for each in read if earnings_of(each) in calendars_of(plan.needs.events, (each,))}
    for key, of, known in (
        ("iv", market.ivs, priced),
        ("smile", market.smiles, priced),
        ("expiries", market.expiries, priced),
        ("width", market.widths, priced),
        ("previous_close", market.before, read),
        ("days", market.days, {*plan.needs.daily, *(symbol for symbol, _ in plan.needs.bars)}),
        ("iv_days", market.iv_days, set(plan.needs.implied)),
        ("volume", market.volumes, counted),
        ("open_interest", market.open_interests, counted),
        ("put_call_volume", market.put_call, traded | counted),
        ("option_volume", market.option_volumes, traded),
        ("earnings", market.earnings, symbols_with_calendar),
    ):
        for symbol in of:
            if symbol not in known:
                yield _not_read(symbol, known, (*path, key, symbol.lower()))


def _account(trial: SpecTest, plan: Plan) -> Iterator[Problem]:
    read, path = {*plan.needs.symbols, *plan.needs.indices}, (*trial.path, "account")
    for symbol in trial.shares:
        if symbol not in read:
            yield _not_read(symbol, read, (*path, "shares", symbol.lower()))
    for symbol in trial.costs:
        if symbol not in trial.shares:
            message = f"the account holds no shares of {symbol}"
            help = f"add '{symbol.lower()}' to 'shares', or remove it"
            yield Problem("RB281", (*path, "cost_basis", symbol.lower()), message, help, on_key=True)


def _not_read(symbol: str, read: Iterable[str], path: Path) -> Problem:
    names = tuple(sorted(each.lower() for each in read))
    help = did_you_mean(symbol.lower(), names) or (f"it reads {', '.join(names)}" if names else "remove it")
    return Problem("RB281", path, f"this bot does not read {symbol}", help, on_key=True)


def _opening(opening: Opening, bot: Plan, path: Path) -> Iterator[Problem]:
    choices = (
        ("symbol", opening.symbol, tuple(member.symbol for member in bot.members)),
        ("alternative", opening.alternative, tuple(choice.name for choice in bot.choices)),
    )
    for word, said, known in choices:
        if known and not said:
            yield Problem("RB281", path, f"which {word} is meant?", f"add '{word}: {known[0]}'", on_key=True)
            return
        if problems := list(_unknown(word, said, known, (*path, word))):
            yield from problems
            return
    plan = bot.on(opening.symbol).taking(opening.alternative)
    word = "credit" if opening.net > 0 else "debit"
    if word != plan.opens_for:
        message = f"this bot opens for a {plan.opens_for}, is a {word}"
        yield Problem("RB205", (*path, word), message, f"write '{plan.opens_for}'", on_key=True)
    names = tuple(leg.name for leg in plan.legs)
    yield from _unknown("leg", opening.legs, names, (*path, "legs"))
    missing = [leg.name for leg in plan.legs if leg.name not in opening.legs and not leg.is_shares]
    if opening.legs and missing:
        message = f"'legs' lacks {', '.join(missing)}"
        yield Problem("RB281", (*path, "legs"), message, "give all of them, or none", on_key=True)


def _quotes(trial: SpecTest, opening: Opening, bot: Plan) -> Iterator[Problem]:
    """Yield impossible quotes of a position: sold legs cost something to close, bought ones bring
    something.
    """
    signs = {leg.sign for leg in bot.on(opening.symbol).taking(opening.alternative).legs}
    if len(signs) != 1:
        return
    (sign,) = signs
    expected_key, said = (
        ("value", "only bought: closing it brings") if sign > 0 else ("cost", "only sold: closing it costs")
    )
    for at, mark in enumerate(trial.market.quotes):
        if mark.cost * sign >= 0:
            path: Path = (*trial.path, "market", "quotes", at)
            yield Problem("RB281", path, f"this position is {said} something", f"as in '{expected_key}: 0.05'")


def _hooks(trial: SpecTest, plan: Plan) -> Iterator[Problem]:
    known = tuple(sorted(plan.needs.hook_names))
    path: Path = (*trial.path, "webhooks")
    if trial.hooks is None and not known:
        yield Problem("RB281", path, "this bot asks for no web hook", "remove it", on_key=True)
    for place, hook in enumerate(trial.hooks or ()):
        if hook.name not in known:
            help = did_you_mean(hook.name, known) or (f"it asks for {', '.join(known)}" if known else "remove it")
            yield Problem("RB281", (*path, place, "name"), f"this bot asks for no web hook '{hook.name}'", help)


def _expected(expected: Expectation, plan: Plan) -> Iterator[Problem]:
    exits = tuple(each.name for each in plan.exits)
    resting = tuple(each.name for each in plan.exits if each.resting)
    days = ((DAILY_LOSS, plan.risk.day.loss), (DAILY_PROFIT, plan.risk.day.profit))
    halts = (*(rule.name for rule in plan.risk.halt_when), *(name for name, bound in days if bound is not None))
    for what, key, names, known in (
        ("leg", "enters", expected.enters, leg_names(plan)),
        ("exit", "exits", expected.exits, (*exits, *ENDINGS)),
        ("halt", "halts", expected.halts, halts),
        ("resting exit", "rests", expected.rests, resting),
        ("rule", "because", expected.because, rule_names(plan)),
    ):
        yield from _unknown(what, names or (), known, (*expected.path, key))


def _unknown(what: str, names: str | Iterable[str], known: tuple[str, ...], path: Path) -> Iterator[Problem]:
    """Yield RB201 for each unknown name. A single name is the value of its key, several are keys."""
    is_one = isinstance(names, str)
    for name in filter(None, (names,) if isinstance(names, str) else names):
        if name not in known:
            help = did_you_mean(name, known) or (f"known are {', '.join(known)}" if known else f"it has no {what}")
            where = path if is_one else (*path, name)
            yield Problem("RB201", where, f"the spec has no {what} '{name}'", help, on_key=not is_one)


# --- A test document against its spec

Read = Callable[[Mapping[str, str]], Loaded]
"""Returns the tested spec with parameters overridden. Raises: OSError."""


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """A test with the plan it runs."""

    trial: SpecTest
    plan: Plan


def plan_tests(tests: Loaded, read: Read) -> tuple[tuple[PlannedTest, ...], tuple[Diagnostic, ...]]:
    """Return the tests of a document with their plans, and the problems; with problems no test can be run."""
    planned: list[PlannedTest] = []
    problems: list[Problem] = []
    plans: dict[tuple[tuple[str, str], ...], Plan | Problem] = {}
    for trial in tests.tests.trials if tests.tests is not None else ():
        key = tuple(sorted(trial.settings.items()))
        if key not in plans:
            plans[key] = _plan(trial, read)
        plan = plans[key]
        if isinstance(plan, Problem):
            problems.append(plan)
            continue
        planned.append(PlannedTest(trial, plan))
        problems += spec_test_problems(trial, plan, _given(tests, trial))
    return tuple(planned), in_file_order(diagnosed(problem, tests.source) for problem in problems)


def _plan(trial: SpecTest, read: Read) -> Plan | Problem:
    try:
        spec = read(trial.settings)
    except OSError as error:
        return Problem("RB281", ("spec",), f"the spec cannot be read: {error.strerror or error}")
    plan, found = (None, []) if spec.spec is None else build_plan(spec.spec, spec.source, with_warnings=False)
    if plan is not None:
        return plan
    if trial.settings and read({}).is_fine:
        named = ", ".join(f"{name}={value}" for name, value in trial.settings.items())
        first = next((headline(each) for each in (*spec.diagnostics, *found) if each.is_error), "")
        return Problem("RB281", (*trial.path, "set"), f"the spec has problems with {named}", first, on_key=True)
    help = f"'rulebot validate {spec.source.file}' says which"
    message = "this is no spec of a bot" if not spec.diagnostics else "the spec has problems"
    return Problem("RB281", ("spec",), message, help)


def _given(tests: Loaded, trial: SpecTest) -> tuple[str, ...]:
    """Return the keys of a test's market as they are written."""
    assert isinstance(tests.source.tree, dict)
    tree = mapping(sequence(tests.source.tree["tests"])[int(trial.path[1])])
    return tuple(mapping(tree.get("market", {})))
