"""One condition of a spec to a Rule: its measure and operands resolved, its units checked, its sentence kept."""

from rulebot.compile.data_needs import calls_of, reads_of
from rulebot.compile.expression import amount_named, number_of_name, truth_of
from rulebot.compile.features import with_score
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Number,
    Quantity,
    Rule,
    Text,
    Truth,
)
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.scope import Scope, call_of, measure_named
from rulebot.compile.units import WRITTEN, coerce, is_comparable, number_quantity, scaled, written
from rulebot.measure.definition import Measure
from rulebot.model.session import DayTime
from rulebot.model.values import replace
from rulebot.spec.exit_kinds import LEVELS
from rulebot.spec.nouns import (
    Amount,
    Comparison,
    Condition,
    ExpressionTest,
    Group,
    GroupKind,
    MeasureTest,
    Op,
    Operand,
    Path,
    Unit,
    Word,
)

_OP_WORDS = {op: op.value.replace("_", " ") for op in Op} | {Op.BETWEEN: "in", Op.OUTSIDE: "outside"}
_BEST_WORTH = {"credit": ("cost", "credit"), "debit": ("value", "debit")}


def rules_of(conditions: tuple[Condition, ...], scope: Scope) -> tuple[tuple[Rule, ...], list[Problem]]:
    """Return the rules that could be built, and the problems of all conditions."""
    rules, problems = [], []
    for condition in conditions:
        rule, found = rule_of(condition, scope)
        problems += found
        if rule is not None:
            rules.append(rule)
    return tuple(rules), problems


def rule_of(condition: Condition, scope: Scope) -> tuple[Rule | None, list[Problem]]:
    """Return the compiled condition, or None with its problems."""
    problems: list[Problem] = []
    truth = _truth(condition, scope, problems)
    if truth is None or problems:
        return None, problems
    rule = Rule(
        name=condition.name,
        test=truth,
        text=sentence(condition),
        quantity=number_quantity(truth.left) if isinstance(truth, Compare) else Quantity.TRUTH,
        confirm=condition.confirm,
        max_age=condition.max_age,
        reads=reads_of(truth, scope.symbol_of_leg(), scope.symbols[0]),
        path=condition.path,
    )
    return rule, problems


def _truth(condition: Condition, scope: Scope, problems: list[Problem]) -> Truth | None:
    test = condition.test
    if isinstance(test, Group):
        return _group(test, scope, problems)
    try:
        if isinstance(test, ExpressionTest):
            return truth_of(test.text, scope, test.path)
        return _measure_test(test, scope)
    except Fault as fault:
        problems.append(fault.problem)
        return None


def _group(group: Group, scope: Scope, problems: list[Problem]) -> Truth | None:
    members = [_truth(member, scope, problems) for member in group.members]
    known = tuple(member for member in members if member is not None)
    if len(known) != len(members) or not known:
        return None
    if group.kind is GroupKind.NOT:
        return Not(known[0])
    names = tuple(member.name for member in group.members)
    return AllOf(known, names) if group.kind is GroupKind.ALL else AnyOf(known, names)


def _measure_test(test: MeasureTest, scope: Scope) -> Truth:
    measure = measure_named(test.measure, scope, test.path)
    call = with_score(call_of(measure, test.arguments, scope, _arguments_path(test, scope)), scope, test.path)
    if measure.is_truth:
        return _holds(test, call)
    if test.comparison is None:
        raise Fault(Problem("RB211", test.path, f"'{test.measure}' needs a comparison", _example(measure)))
    return _compare(test, test.comparison, measure, call, scope)


def _arguments_path(test: MeasureTest, scope: Scope) -> Path:
    if test.let:
        return (*scope.lets[test.let].path, test.measure)
    return test.path[:-1] if is_ending(test.path) else test.path


def _holds(test: MeasureTest, call: Call) -> Truth:
    if test.comparison is not None:
        message = f"'{test.measure}' is true or false and takes no comparison"
        raise Fault(Problem("RB207", (*test.path, test.comparison.op.value), message, "", None, True))
    return Holds(call)


def _example(measure: Measure) -> str:
    unit = measure.units[0][0]
    example = {Unit.POINTS: "3 pts", Unit.PERCENT: "50%", Unit.DOLLARS: "$50", Unit.SECONDS: "15m"}.get(unit, "1")
    return f"as in '{measure.name}: {{above: {example}}}'"


def _compare(test: MeasureTest, comparison: Comparison, measure: Measure, call: Call, scope: Scope) -> Truth:
    if measure.quantity is Quantity.TEXT or comparison.op is Op.IS:
        return _is(test, comparison, measure, call, scope)
    left: Number = call
    right: list[Number] = []
    for at, operand in enumerate(comparison.operands):
        path = _operand_path(test, comparison, at)
        number, quantity = _operand(operand, measure, scope, path, test)
        retyped = coerce(left, quantity)
        if retyped is None or (right and not is_comparable(number_quantity(right[0]), quantity)):
            raise Fault(Problem("RB203", path, _mismatch(test.said, left, number), _units_help(measure)))
        if any(each in (left, retyped) for each in calls_of(number)):
            message = f"'{test.said}' is compared with itself: the result is always the same"
            raise Fault(Problem("RB203", path, message, "compare it with a number, or with another measure"))
        left = retyped
        right.append(number)
    _in_order(test, comparison, right)
    _is_distance(test, comparison, right)
    _is_positive(test, comparison, right)
    return Compare(comparison.op, left, tuple(right))


def _is(test: MeasureTest, comparison: Comparison, measure: Measure, call: Call, scope: Scope) -> Truth:
    path = (*test.path, comparison.op.value)
    operand = comparison.operands[0]
    word = operand.name if isinstance(operand, Word) else operand
    if measure.quantity is not Quantity.TEXT or comparison.op is not Op.IS or not isinstance(word, str):
        message = f"'{test.said}' is {measure.quantity.value} and does not go with '{comparison.op.value}'"
        raise Fault(Problem("RB203", path, message, "", None, True))
    if measure.words and word not in measure.words:
        message = f"'{test.said}' is {listed_words(tuple(measure.words))}, is '{word}'"
        raise Fault(Problem("RB207", path, message, did_you_mean(word, tuple(measure.words))))
    if measure.is_name and call.argument("called") == scope.bot and word not in scope.exits:
        raise Fault(Problem("RB201", path, f"this bot has no exit '{word}'", did_you_mean(word, scope.exits)))
    return Compare(Op.IS, call, (Text(word),))


def listed_words(words: tuple[str, ...]) -> str:
    """Return `up, down or neutral`."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _in_order(test: MeasureTest, comparison: Comparison, right: list[Number]) -> None:
    if comparison.op not in (Op.BETWEEN, Op.OUTSIDE):
        return
    low, high = right
    if isinstance(low, Constant) and isinstance(high, Constant) and low.value > high.value:
        ends = " and ".join(written(operand) for operand in comparison.operands if isinstance(operand, Amount))
        message = f"the lower end comes first, is {ends}"
        raise Fault(Problem("RB203", (*test.path, comparison.op.value), message))


def _is_distance(test: MeasureTest, comparison: Comparison, right: list[Number]) -> None:
    """Refuse a `beyond` below zero, which is always true. Raises: Fault."""
    if comparison.op is not Op.BEYOND or not _is_negative(right[0]):
        return
    bound = comparison.operands[0]
    words = operand_words(bound)
    message = f"'beyond' is a distance either way, so at least 0, is '{words}'"
    either = f", 'beyond: {written(replace(bound, value=-bound.value))}' on both" if isinstance(bound, Amount) else ""
    help_text = f"'below: {words}' is true on that side alone{either}"
    raise Fault(Problem("RB156", _operand_path(test, comparison, 0), message, help_text))


def _is_positive(test: MeasureTest, comparison: Comparison, right: list[Number]) -> None:
    """Refuse a loss below 0: it is a profit. Raises: Fault."""
    at = next((at for at, number in enumerate(right) if _is_negative(number)), None)
    if at is None or test.measure not in ("loss", "give_back"):
        return
    words = operand_words(comparison.operands[at])
    message = f"'{test.said}' is written positive, is '{words}'"
    raise Fault(Problem("RB156", _operand_path(test, comparison, at), message, "below 0 it is a profit: say 'profit'"))


def _is_negative(number: Number) -> bool:
    """Return whether a number is written below zero; unknown for a measured one."""
    match number:
        case Constant(value):
            return value < 0
        case Arithmetic("*", (factor, other)):
            return _is_negative(factor) is not _is_negative(other)
        case _:
            return False


def _operand_path(test: MeasureTest, comparison: Comparison, at: int) -> Path:
    if is_ending(test.path):
        return test.path
    path = (*test.path, comparison.op.value)
    return (*path, at) if len(comparison.operands) > 1 else path


def is_ending(path: Path) -> bool:
    """Return whether a measure is under `target:` or `stop:`, where its value is the bound itself."""
    return len(path) > 1 and path[-2] in LEVELS


def _operand(
    operand: Operand, measure: Measure, scope: Scope, path: Path, test: MeasureTest
) -> tuple[Number, Quantity]:
    match operand:
        case Amount(unit=Unit.MULTIPLE):
            return _multiple(operand, measure, scope, path, test)
        case Amount():
            return _amount(operand, measure, path, test)
        case Word(name):
            if (amount := amount_named(name, scope)) is not None:
                return _operand(amount, measure, scope, path, test)
            number = number_of_name(name, scope, path)
            if not _may_multiply(measure, number):
                raise Fault(Problem("RB203", path, _mismatch(test.said, None, number), _units_help(measure)))
            return number, number_quantity(number)
        case DayTime():
            raise Fault(Problem("RB203", path, f"'{test.said}' does not compare with a time of day"))
        case _:
            raise Fault(Problem("RB203", path, f"'{test.said}' does not compare with '{operand}'"))


def _amount(operand: Amount, measure: Measure, path: Path, test: MeasureTest) -> tuple[Number, Quantity]:
    for unit, quantity in measure.units:
        if unit is operand.unit:
            return Constant(scaled(operand, quantity), quantity), quantity
    if (problem := _confused(operand, measure, path)) is not None:
        raise Fault(problem)
    message = f"'{test.said}' is compared with {_units(measure)}, is '{written(operand)}'"
    raise Fault(Problem("RB203", path, message, _units_help(measure)))


def _multiple(
    operand: Amount, measure: Measure, scope: Scope, path: Path, test: MeasureTest
) -> tuple[Number, Quantity]:
    if (problem := _confused(operand, measure, path)) is not None:
        raise Fault(problem)
    if operand.of is None:
        raise Fault(Problem("RB203", path, f"'{written(operand)}' of what?", "as in '0.6x expected_move'"))
    end = len(written(operand))
    number = number_of_name(operand.of, scope, path, (end - len(operand.of), end))
    if not _may_multiply(measure, number):
        raise Fault(Problem("RB203", path, _mismatch(test.said, None, number), _units_help(measure)))
    quantity = number_quantity(number)
    return Arithmetic("*", (Constant(float(operand.value), Quantity.PLAIN), number), quantity), quantity


def _may_multiply(measure: Measure, number: Number) -> bool:
    others = (*measure.multiples, measure.name)
    if measure.multiples and isinstance(number, Call) and number.measure not in others:
        return False
    return any(is_comparable(number_quantity(number), quantity) for quantity in measure.quantities)


def _confused(operand: Amount, measure: Measure, path: Path) -> Problem | None:
    """Return RB204 when a stop is in the unit of the other direction, with the price for an entry at 1.00."""
    name, number = measure.name, operand.value.normalize()
    if name in ("cost", "value") and operand.unit is Unit.PERCENT:
        return _confused_price(name, operand, path)
    if name in ("profit", "loss") and operand.unit is Unit.MULTIPLE and operand.of in _BEST_WORTH:
        way, basis = _BEST_WORTH[operand.of]
        verb, started = ("buys", "back at") if basis == "credit" else ("sells", "at")
        part = 1 + number if (name == "loss") == (basis == "credit") else 1 - number
        message = f"a {name} is a part of the entry price, dollars or a multiple of max_risk, is '{written(operand)}'"
        help_text = (
            f"'{way}: {number:f}x {basis}' {verb} 1.00 {started} {number:.2f}; "
            f"'{name}: {number * 100:f}%' {verb} it {started} {max(part, number * 0):.2f}"
        )
        return Problem("RB204", path, message, help_text)
    return None


def _confused_price(name: str, operand: Amount, path: Path) -> Problem:
    part = operand.value / 100
    basis, verb, started = ("credit", "buys", "back at") if name == "cost" else ("debit", "sells", "at")
    is_gain = (part < 1) == (name == "cost")
    other = "profit" if is_gain else "loss"
    worth = (1 - part if other == "profit" else 1 + part) if name == "cost" else (1 + part if is_gain else 1 - part)
    message = f"a {name} is a price or a multiple of the {basis}, is '{written(operand)}'"
    help_text = (
        f"'{name}: {part.normalize():f}x {basis}' {verb} 1.00 {started} {part:.2f}; "
        f"'{other}: {written(operand)}' {verb} it {started} {max(worth, part * 0):.2f}"
    )
    return Problem("RB204", path, message, help_text)


def _units(measure: Measure) -> str:
    words = [WRITTEN[unit] for unit, _ in measure.units]
    words += [f"a multiple ('2x {name}')" for name in measure.multiples]
    return " or ".join(words)


def _units_help(measure: Measure) -> str:
    return f"'{measure.name}' is compared with {_units(measure)}"


def _mismatch(measure: str, left: Number | None, right: Number) -> str:
    mine = "" if left is None else f" is {_kind(left)} and"
    return f"'{measure}'{mine} does not compare with {_kind(right)}"


def _kind(number: Number) -> str:
    quantity = number_quantity(number)
    return "a number without a unit" if quantity is Quantity.PLAIN else quantity.value


# ---------------------------------------------------------------- the sentence


def sentence(condition: Condition) -> str:
    """Return the comparison as the spec says it: `below 0.6x day_move`, `in 12 to 22`, `CPI, FOMC`."""
    test = condition.test
    if isinstance(test, ExpressionTest):
        return test.text
    if isinstance(test, Group):
        joined = ", ".join(_member_words(member) for member in test.members)
        return f"{test.kind.value} of {joined}" if test.kind is not GroupKind.NOT else f"not {joined}"
    return _comparison_words(test.comparison) if test.comparison else _argument_words(test)


def _member_words(member: Condition) -> str:
    test = member.test
    return f"{test.said} {sentence(member)}".strip() if isinstance(test, MeasureTest) else sentence(member)


def _comparison_words(comparison: Comparison) -> str:
    words = [operand_words(operand) for operand in comparison.operands]
    return f"{_OP_WORDS[comparison.op]} {' to '.join(words)}"


def operand_words(operand: Operand) -> str:
    """Return one side of a comparison as a spec writes it."""
    match operand:
        case Amount():
            return written(operand)
        case Word(name):
            return name
        case _:
            return str(operand)


def _argument_words(test: MeasureTest) -> str:
    words = []
    for name, value in test.arguments.items():
        shown = ", ".join(value) if isinstance(value, tuple) else written(value) if isinstance(value, Amount) else value
        words.append(str(shown) if name in ("of", "at", "name") else f"{name} {shown}")
    return ", ".join(words)
