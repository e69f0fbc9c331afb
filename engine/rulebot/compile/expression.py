"""`expr:` text to the plan's tree: simpleeval's grammar, our allow-list, names and units checked.

simpleeval is asked to parse and never to judge; what it would also take (attributes, subscripts, strings, powers,
ternaries, assignments) is refused here, each at its own columns. Limits: one line, 500 characters, 100 nodes, 20 deep.
"""

import ast
import math
import re
import warnings
from collections.abc import Callable

from simpleeval import InvalidExpression, SimpleEval

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
    Op,
    Quantity,
    Truth,
)
from rulebot.compile.problem import Fault, Problem
from rulebot.compile.scope import Scope, call_of, measure_named
from rulebot.compile.units import FUNCTIONS, is_bare, natural_quantity, number_quantity, product_quantity, scaled, unify
from rulebot.measure.definition import Measure, Takes
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.nouns import Amount, Argument, Path

MAX_LENGTH = 500
MAX_NODES = 100
MAX_DEPTH = 20

_ORDERED: dict[type[ast.cmpop], Op] = {
    ast.Lt: Op.BELOW,
    ast.LtE: Op.AT_MOST,
    ast.Gt: Op.ABOVE,
    ast.GtE: Op.AT_LEAST,
}
_MIRRORED = {Op.BELOW: Op.ABOVE, Op.AT_MOST: Op.AT_LEAST, Op.ABOVE: Op.BELOW, Op.AT_LEAST: Op.AT_MOST}
_EQUAL: dict[type[ast.cmpop], Op] = {ast.Eq: Op.BETWEEN, ast.NotEq: Op.OUTSIDE}
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_PLAIN_NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_NOT_PLAIN = "a number not written in plain decimal digits"
_PLAINLY = "write it out, as in 1000 or 0.5"
_ONLY = "an expression has numbers, names, + - * /, comparisons, and, or, not, abs, min, max, round"
_OF_A_UNIT = "numbers have no unit here; write one with a unit in a condition, as in 'iv: {above: 20%}'"
_OF_A_TIME = "write a time in a separate condition, as in 'time: \"10:30\"'"
_SIGN_OF_OTHERS = (
    r"&&|\|\||(?<![<>=!:])=(?![=<>])|=<|=>|<>|[\u2264\u2265\u2260\u00d7\u00f7\u2012-\u2015\u2212]|\b(?:AND|OR|NOT)\b|!(?!=)"
    r"|%|\$(?=[0-9])|(?<=[0-9]) ?(?:pts|x)\b|:=|[0-9]+:[0-9]+"
)
_PARAMETER = r"\$[a-z][a-z0-9_]*"
_SIGNS_OF_OTHERS = {
    **dict.fromkeys(("&&", "and"), "write 'and'"),
    **dict.fromkeys(("||", "or"), "write 'or'"),
    **dict.fromkeys(("!", "not"), "write 'not'"),
    "=": "write '=='",
    ":=": "name it under 'let'",
    "x": "write '*'",
    **dict.fromkeys(("=<", "\u2264"), "write '<='"),
    **dict.fromkeys(("=>", "\u2265"), "write '>='"),
    **dict.fromkeys(("<>", "\u2260"), "write '!='"),
    "\u00d7": "write '*'",
    "\u00f7": "write '/'",
    **dict.fromkeys("\u2012\u2013\u2014\u2015\u2212", "write '-'"),
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "attributes are not allowed",
    ast.Subscript: "subscripts are not allowed",
    ast.IfExp: "'if' is not allowed: write a second rule, or and / or",
    ast.NamedExpr: "':=' is not allowed: name it under 'let'",
    ast.JoinedStr: "text is not allowed",
    ast.Lambda: "functions cannot be made here",
    ast.List: "lists are not allowed",
    ast.Tuple: "a comma belongs inside a call only",
    ast.Starred: "'*' before a name is not allowed",
}


def truth_of(text: str, scope: Scope, path: Path) -> Truth:
    """Return the tree of an expression. Raises: Fault, at the columns of `text` that are wrong."""
    return _Reader(text, scope, path).read()


def number_of_name(name: str, scope: Scope, path: Path, columns: tuple[int, int] | None = None) -> Number:
    """Return a let or a measure without arguments as a number. Raises: Fault."""
    if (amount := amount_named(name, scope)) is not None:
        return Constant(scaled(amount, natural_quantity(amount)), natural_quantity(amount))
    if (let := scope.lets.get(name)) is not None and let.measure is not None:
        measure = measure_named(let.measure, scope, path, columns or (0, len(name)))
        return call_of(measure, let.arguments, scope, (*let.path, let.measure))
    return call_of(
        measure_named(name, scope, path, columns or (0, len(name))), {}, scope, path, columns or (0, len(name))
    )


def amount_named(name: str, scope: Scope) -> Amount | None:
    """Return the number that a let of this name is, None when it is none."""
    let = scope.lets.get(name)
    return let.amount if let is not None else None


class _Reader:
    """Reads one text; holds what every step needs: the text for columns, the names, the path for problems."""

    def __init__(self, text: str, scope: Scope, path: Path) -> None:
        self.text, self.scope, self.path = text, scope, path
        self.shift = len(text) - len(text.lstrip())
        self.bytes = text.strip().encode()
        self.truths: dict[type[ast.expr], Callable[[ast.expr], Truth]] = {
            ast.BoolOp: self._bool,
            ast.UnaryOp: self._not,
            ast.Compare: self._compare,
            ast.Name: self._named_truth,
            ast.Call: self._called_truth,
        }
        self.numbers: dict[type[ast.expr], Callable[[ast.expr], Number]] = {
            ast.Constant: self._constant,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._negative,
            ast.Name: self._named,
            ast.Call: self._called,
        }

    def read(self) -> Truth:
        node = self._parsed()
        self._within_limits(node)
        self._as_written(node)
        return self._truth(node)

    # ------------------------------------------------------------ text to nodes

    def _parsed(self) -> ast.expr:
        if len(self.text) > MAX_LENGTH:
            raise self._fault("RB213", f"an expression has at most {MAX_LENGTH} characters, is {len(self.text)} long")
        if "\n" in self.text.strip() or "\r" in self.text.strip():
            raise self._fault("RB213", "an expression is one line")
        for letter, what in ((";", "an expression is one expression: no ';'"), ("#", "an expression has no comment")):
            if (at := self.text.find(letter)) >= 0:
                raise self._fault("RB210", what, (at, at + 1), _ONLY)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                statement = SimpleEval.parse(self.text)
        except SyntaxError as error:
            if "leading zeros" in error.msg:
                raise self._fault("RB151", _NOT_PLAIN, self._at_character(error.offset), _PLAINLY) from None
            if (otherwise := self._otherwise()) is not None:
                raise otherwise from None
            raise self._fault("RB210", f"this cannot be read: {error.msg}", self._at_character(error.offset)) from None
        except (RecursionError, MemoryError):
            raise self._fault("RB213", f"an expression is at most {MAX_DEPTH} deep") from None
        except (InvalidExpression, Warning, ValueError) as error:
            raise self._fault("RB210", _readable(error)) from None
        if not isinstance(statement, ast.Expr):
            raise self._otherwise() or self._fault(
                "RB210", "an expression is no statement: it says what must be true", help_text=_ONLY
            )
        return statement.value

    def _otherwise(self) -> Fault | None:
        """Return the problem of an operator from other languages, with the one to use here."""
        if (named := re.search(_PARAMETER, self.text)) is not None:
            message = f"a parameter has no '$' in expr, is '{named[0]}'"
            return self._fault("RB210", message, named.span(), f"write '{named[0][1:]}'")
        found = re.search(_SIGN_OF_OTHERS, self.text)
        if found is None:
            return None
        sign = found[0].strip()
        help_text = _SIGNS_OF_OTHERS.get(sign.lower(), _OF_A_TIME if ":" in sign else _OF_A_UNIT)
        return self._fault("RB210", f"'{sign}' is no part of an expression", found.span(), help_text)

    def _within_limits(self, root: ast.expr) -> None:
        pending, count = [(root, 1)], 0
        while pending:
            node, depth = pending.pop()
            count += 1
            if depth > MAX_DEPTH:
                raise self._fault("RB213", f"an expression is at most {MAX_DEPTH} deep", self._columns(node))
            if count > MAX_NODES:
                raise self._fault("RB213", f"an expression has at most {MAX_NODES} parts")
            pending += [(child, depth + 1) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]

    def _as_written(self, root: ast.expr) -> None:
        """Refuse characters that Python normalises: other digits, other letters."""
        for node in ast.walk(root):
            if isinstance(node, ast.Name) and self._slice(node) != node.id:
                message = f"'{self._slice(node)}' is not written in the letters of '{node.id}'"
                raise self._fault("RB210", message, self._columns(node), f"write '{node.id}'")
            if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                written = self._slice(node)
                if not _PLAIN_NUMBER.fullmatch(written):
                    raise self._fault("RB151", f"{_NOT_PLAIN}, is '{written}'", self._columns(node), _PLAINLY)

    def _fault(self, code: str, message: str, columns: tuple[int, int] | None = None, help_text: str = "") -> Fault:
        return Fault(Problem(code, self.path, message, help_text, columns))

    def _refused(self, node: ast.expr) -> Fault:
        message = _REFUSED.get(type(node), "this is not allowed in an expression")
        return self._fault("RB210", message, self._columns(node), _ONLY)

    def _at_character(self, offset: int | None) -> tuple[int, int] | None:
        if offset is None:
            return None
        start = min(max(self.shift + offset - 1, 0), max(len(self.text) - 1, 0))
        return start, start + 1

    def _columns(self, node: ast.expr) -> tuple[int, int]:
        start, end = (
            len(self.bytes[:at].decode(errors="ignore")) for at in (node.col_offset, node.end_col_offset or 0)
        )
        return self.shift + start, self.shift + max(end, start + 1)

    def _slice(self, node: ast.expr) -> str:
        start, end = self._columns(node)
        return self.text[start:end]

    # ------------------------------------------------------------ truth values

    def _truth(self, node: ast.expr) -> Truth:
        if (read := self.truths.get(type(node))) is not None:
            return read(node)
        if type(node) in self.numbers:
            raise self._not_a_truth(node)
        raise self._refused(node)

    def _not_a_truth(self, node: ast.expr) -> Fault:
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            return self._refused(node)
        message = f"'{self._slice(node)}' is a number, but true or false is expected"
        return self._fault("RB211", message, self._columns(node), "compare it, as in 'spot > 6000'")

    def _bool(self, node: ast.expr) -> Truth:
        assert isinstance(node, ast.BoolOp)
        members = tuple(self._truth(value) for value in node.values)
        names = tuple(self._slice(value) for value in node.values)
        return AllOf(members, names) if isinstance(node.op, ast.And) else AnyOf(members, names)

    def _not(self, node: ast.expr) -> Truth:
        assert isinstance(node, ast.UnaryOp)
        if isinstance(node.op, ast.Not):
            return Not(self._truth(node.operand))
        if isinstance(node.op, ast.USub):
            raise self._not_a_truth(node)
        raise self._refused(node)

    def _compare(self, node: ast.expr) -> Truth:
        assert isinstance(node, ast.Compare)
        sides = [node.left, *node.comparators]
        numbers = [self._number(side) for side in sides]
        members = tuple(
            self._comparison(operator, (sides[at], sides[at + 1]), (numbers[at], numbers[at + 1]))
            for at, operator in enumerate(node.ops)
        )
        return members[0] if len(members) == 1 else AllOf(members, tuple(self._slice(node) for _ in members))

    def _comparison(
        self, operator: ast.cmpop, nodes: tuple[ast.expr, ast.expr], numbers: tuple[Number, Number]
    ) -> Truth:
        columns = (self._columns(nodes[0])[0], self._columns(nodes[1])[1])
        equal = _EQUAL.get(type(operator))
        ordered = _ORDERED.get(type(operator))
        if equal is None and ordered is None:
            raise self._fault("RB210", "'is' and 'in' are not allowed in an expression", columns, _ONLY)
        pair = self._unified(nodes, numbers, "compare")
        if ordered is not None and is_bare(numbers[0]):  # the measured side goes first, whichever way it is written
            return Compare(_MIRRORED[ordered], pair[1], (pair[0],))
        if ordered is not None:
            return Compare(ordered, pair[0], (pair[1],))
        self._refuse_equal(pair, columns)
        assert equal is not None
        return Compare(equal, pair[0], (pair[1], pair[1]))

    def _refuse_equal(self, pair: tuple[Number, Number], columns: tuple[int, int]) -> None:
        if any(number_quantity(side) is not Quantity.DAYS and not is_bare(side) for side in pair):
            message = "prices and levels are never exactly equal"
            raise self._fault("RB212", message, columns, "compare with a width, as in 'abs(spot - 6000) < 1'")

    def _unified(
        self, nodes: tuple[ast.expr, ast.expr], numbers: tuple[Number, Number], verb: str
    ) -> tuple[Number, Number]:
        if (pair := unify(*numbers)) is not None:
            return pair
        one, other = (f"'{self._slice(node)}' is {_a(number)}" for node, number in zip(nodes, numbers, strict=True))
        columns = (self._columns(nodes[0])[0], self._columns(nodes[1])[1])
        raise self._fault("RB203", f"{one} and {other}: they do not {verb}", columns)

    def _named_truth(self, node: ast.expr) -> Truth:
        number = self._named(node, truth=True)
        return self._held(node, number)

    def _called_truth(self, node: ast.expr) -> Truth:
        return self._held(node, self._called(node, truth=True))

    def _held(self, node: ast.expr, number: Number) -> Truth:
        if isinstance(number, Call) and number.quantity is Quantity.TRUTH:
            return Holds(number)
        raise self._not_a_truth(node)

    # ------------------------------------------------------------ numbers

    def _number(self, node: ast.expr) -> Number:
        if (read := self.numbers.get(type(node))) is not None:
            return read(node)
        if type(node) in self.truths:
            message = f"'{self._slice(node)}' is true or false, but a number is expected"
            raise self._fault("RB211", message, self._columns(node))
        raise self._refused(node)

    def _constant(self, node: ast.expr) -> Number:
        assert isinstance(node, ast.Constant)
        value = node.value
        if isinstance(value, str | bytes):
            raise self._fault("RB210", "text is not allowed", self._columns(node), _ONLY)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refused(node)
        if abs(value) > 1e15 or not math.isfinite(value):
            raise self._fault("RB210", "this number is too large", self._columns(node))
        return Constant(float(value), Quantity.PLAIN)

    def _binary(self, node: ast.expr) -> Number:
        assert isinstance(node, ast.BinOp)
        sign = _SIGNS.get(type(node.op))
        if sign is None:
            raise self._fault("RB210", "of operators only + - * / are allowed", self._columns(node), _ONLY)
        nodes = (node.left, node.right)
        numbers = (self._number(node.left), self._number(node.right))
        if sign in "+-":
            pair = self._unified(nodes, numbers, "add")
            return Arithmetic(sign, pair, number_quantity(pair[0]))
        if sign == "/" and _is_zero(numbers[1]):
            message = f"a division by '{self._slice(node.right)}' is a division by 0, which has no answer"
            raise self._fault("RB210", message, self._columns(node.right))
        quantity = product_quantity(sign, *numbers)
        if quantity is None:
            one, other = (f"'{self._slice(side)}' is {_a(number)}" for side, number in zip(nodes, numbers, strict=True))
            raise self._fault("RB203", f"{one} and {other}: '{sign}' has no unit to give", self._columns(node))
        return Arithmetic(sign, numbers, quantity)

    def _negative(self, node: ast.expr) -> Number:
        assert isinstance(node, ast.UnaryOp)
        if isinstance(node.op, ast.USub):
            operand = self._number(node.operand)
            return Arithmetic("neg", (operand,), number_quantity(operand))
        if isinstance(node.op, ast.Not):
            raise self._fault("RB211", "'not' gives true or false, but a number is expected", self._columns(node))
        raise self._refused(node)

    def _named(self, node: ast.expr, truth: bool = False) -> Number:
        assert isinstance(node, ast.Name)
        columns = self._columns(node)
        number = self._parameter(node.id) or number_of_name(node.id, self.scope, self.path, columns)
        if not truth:
            self._must_be_number(node, number)
        return number

    def _parameter(self, name: str) -> Number | None:
        """Return a parameter that is a number: here its bare name is its value, in no other condition."""
        amount = None if name in self.scope.lets else self.scope.values.get(name)
        return None if amount is None else Constant(scaled(amount, natural_quantity(amount)), natural_quantity(amount))

    def _must_be_number(self, node: ast.expr, number: Number) -> None:
        if number_quantity(number) in (Quantity.TRUTH, Quantity.TEXT):
            message = f"'{self._slice(node)}' is {_a(number)}, but a number is expected"
            raise self._fault("RB211", message, self._columns(node))

    def _called(self, node: ast.expr, truth: bool = False) -> Number:
        assert isinstance(node, ast.Call)
        if not isinstance(node.func, ast.Name):
            raise self._refused(node.func)
        if node.keywords:
            raise self._fault("RB210", "arguments are given by position", self._columns(node), _ONLY)
        if node.func.id in FUNCTIONS:
            return self._function(node, node.func.id)
        measure = measure_named(node.func.id, self.scope, self.path, self._columns(node.func))
        number = call_of(measure, self._arguments(node, measure), self.scope, self.path, self._columns(node))
        if not truth:
            self._must_be_number(node, number)
        return number

    def _arguments(self, node: ast.Call, measure: Measure) -> dict[str, Argument]:
        parameters = measure.parameters
        if parameters and parameters[0].takes is Takes.NAMES and node.args:
            return {parameters[0].name: tuple(str(self._argument(value)) for value in node.args)}
        if len(node.args) > len(parameters):
            at_most = f"at most {len(parameters)}" if parameters else "none"
            message = f"'{measure.name}' takes {at_most} in brackets, is given {len(node.args)}"
            raise self._fault("RB207", message, self._columns(node))
        return {parameter.name: self._argument(value) for parameter, value in zip(parameters, node.args, strict=False)}

    def _argument(self, node: ast.expr) -> Argument:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        raise self._fault("RB207", "an argument of a measure is a name or a whole number", self._columns(node))

    def _function(self, node: ast.Call, name: str) -> Number:
        wanted = 1 if name in ("abs", "round") else 2
        if len(node.args) < wanted or (wanted == 1 and len(node.args) > 1):
            expected = "one number" if wanted == 1 else "two numbers or more"
            raise self._fault("RB207", f"'{name}' takes {expected}, is given {len(node.args)}", self._columns(node))
        numbers = [self._number(value) for value in node.args]
        return Arithmetic(name, *self._same(node.args, numbers))

    def _same(self, nodes: list[ast.expr], numbers: list[Number]) -> tuple[tuple[Number, ...], Quantity]:
        firm = next((at for at, number in enumerate(numbers) if not is_bare(number)), 0)
        same = []
        for node, number in zip(nodes, numbers, strict=True):
            pair = self._unified((nodes[firm], node), (numbers[firm], number), "be used together")
            same.append(pair[1])
        return tuple(same), number_quantity(numbers[firm])


def _is_zero(number: Number) -> bool:
    """Return whether a number is 0 in any market."""
    if isinstance(number, Constant):
        return number.value == 0
    if not isinstance(number, Arithmetic):
        return False
    operands = number.operands
    match number.operator:
        case "-":
            return operands[0] == operands[1]
        case "*":
            return any(map(_is_zero, operands))
        case "/":
            return _is_zero(operands[0])
        case _:
            return all(map(_is_zero, operands))


def _readable(error: Exception) -> str:
    text = str(error)
    if "multiple expressions" in text:
        return "an expression is one expression: no ';'"
    if "empty" in text:
        return "the expression is empty"
    return "this cannot be read"


def _a(number: Number) -> str:
    if isinstance(number, Call) and VOCABULARY[number.measure].is_truth:
        return "true or false"
    return "a bare number" if is_bare(number) else number_quantity(number).value
