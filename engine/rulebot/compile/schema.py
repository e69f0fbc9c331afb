"""The JSON Schema of a bot: the written part, and the part generated from measures and exit kinds.

A measure's `m_` and `let_` definitions, those of exits at a level of profit or loss, the lists of all measures and the
pattern of misspelt ones are made here. They follow what is written by hand.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rulebot.measure.definition import Measure, Parameter, Place
from rulebot.measure.tree import Quantity
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.exit_kinds import LEVELS, ExitKind
from rulebot.spec.nouns import Op
from rulebot.spec.schema import one_slip_from

Node = dict[str, Any]
_WIDTH = 170
_SENTENCES = {
    "above": "True while {} is greater than this.",
    "at_least": "True while {} is this or greater.",
    "below": "True while {} is less than this.",
    "at_most": "True while {} is this or less.",
    "between": "True while {} is from the first to the second, both included.",
    "outside": "True while {} is less than the first or greater than the second.",
    "beyond": "True while the absolute value of {} is greater than this.",
}
_LISTS = {"condition_parts": "known_condition", "exit": "known_exit", "halt": "known_halt"}
"""Where a condition is allowed, and the definition of all words there."""
_NOT_IN_EXITS = frozenset({Place.REQUIRE, Place.RISK})
"""Places before an entry: a measure of these alone is not offered under `exits`."""


def document(text: str) -> str:
    """Return the text of the schema with everything that follows from the measures regenerated."""
    schema = json.loads(text)
    by_hand = {name: node for name, node in schema["$defs"].items() if not _is_made(name)}
    conditions = {name: _condition(measure) for name, measure in VOCABULARY.items() if _is_condition(measure)}
    lets = {name: _let(measure) for name, measure in VOCABULARY.items() if measure.let_example is not None}
    definitions: Node = {
        **by_hand,
        **{f"m_{name}": node for name, node in conditions.items()},
        **{f"let_{name}": node for name, node in lets.items()},
        **{name: _level_exit(kind) for name, kind in LEVELS.items()},
    }
    schema["$defs"] = definitions
    definitions["exit"]["properties"] |= {name: {"$ref": f"#/$defs/{name}"} for name in LEVELS}
    for name, known_words in _LISTS.items():
        here = [each for each in conditions if name != "exit" or not VOCABULARY[each].places <= _NOT_IN_EXITS]
        _list(definitions[name], "m_", here)
        definitions[known_words]["propertyNames"]["enum"] = list(definitions[name]["properties"])
    _list(definitions["let"], "let_", lets)
    definitions["known_measure"]["anyOf"][1]["enum"] = list(VOCABULARY)
    words = {word for name in _LISTS for word in definitions[name]["properties"]}
    definitions["no_slip"]["not"]["pattern"] = one_slip_from(words)
    return _rendered(schema, 0, 0) + "\n"


def _is_made(definition: str) -> bool:
    kind, _, name = definition.partition("_")
    return (kind in ("m", "let") and name in VOCABULARY) or definition in LEVELS


def _list(node: Node, prefix: str, names: Iterable[str]) -> None:
    """Put the measures behind the other keys of a place."""
    others = {key: each for key, each in node["properties"].items() if key not in VOCABULARY}
    node["properties"] = others | {name: {"$ref": f"#/$defs/{prefix}{name}"} for name in names}


def _is_condition(measure: Measure) -> bool:
    return bool(measure.ops) or _is_by_word(measure)


def _condition(measure: Measure) -> Node:
    words = {"title": measure.title, "description": measure.about, "examples": list(measure.examples)}
    if "$ref" in measure.node:
        return {**measure.node, **words}
    return {
        **words,
        "type": "object",
        "properties": {**_arguments(measure.parameters), **dict(_comparisons(measure))},
        "additionalProperties": False,
        **_required(measure, ("is",) if measure.quantity is Quantity.TEXT else ()),
        "x-owed": "a comparison in braces",
        **({} if _is_by_word(measure) else {"x-exactly-one": list(measure.ops)}),
        **measure.node,
    }


def _is_by_word(measure: Measure) -> bool:
    """Return whether a measure is true or false without a comparison, or compared with a word."""
    return measure.is_truth or measure.quantity is Quantity.TEXT


def _let(measure: Measure) -> Node:
    return {
        "title": measure.title,
        "description": measure.about,
        "examples": [measure.let_example],
        "type": "object",
        "properties": _arguments([parameter.in_let or parameter for parameter in measure.parameters]),
        "additionalProperties": False,
        **_required(measure),
        "x-owed": "its arguments in braces",
        "minProperties": 1,
    }


def _level_exit(kind: ExitKind) -> Node:
    """Return the definition of an exit at a level of profit or loss."""
    traits = kind.traits
    return {
        "title": _title(kind.value),
        "description": traits.about,
        "examples": list(traits.examples[:2]),
        "type": "object",
        "properties": {
            **{word: _level(VOCABULARY[word], op, traits.examples) for word, op in traits.levels.items()},
            "at": {"$ref": "#/$defs/judged_at"},
            "of": {"$ref": "#/$defs/judged_of"},
        },
        "additionalProperties": False,
        "x-owed": f"a {kind.value.replace('_', ' ')} in braces",
        "x-exactly-one": list(traits.levels),
    }


def _level(measure: Measure, op: Op, examples: Iterable[Mapping[str, object]]) -> Node:
    if measure.level is None:
        raise ValueError(f"'{measure.name}' is no level of an exit")
    more = "more" if op is Op.AT_LEAST else "less"
    words = {"title": measure.title, "description": f"Acts {measure.level.sentence.format(more)}."}
    written = [example[measure.name] for example in examples if measure.name in example]
    return {"$ref": f"#/$defs/{measure.level.bound}", **words, "examples": written}


def _title(word: str) -> str:
    return word.replace("_", " ").capitalize()


def _required(measure: Measure, besides: Iterable[str] = ()) -> Node:
    required = [*(parameter.name for parameter in measure.parameters if parameter.required), *besides]
    return {"required": required} if required else {}


def _arguments(parameters: Iterable[Parameter]) -> Node:
    """Return the properties of the arguments; which underlying or legs comes last."""
    ordered = sorted(parameters, key=lambda parameter: parameter.name == "of" and not parameter.required)
    return {parameter.name: _argument(parameter) for parameter in ordered}


def _argument(parameter: Parameter) -> Node:
    title = parameter.title or _title(parameter.name)
    words = {"title": title, "description": parameter.about, "examples": [parameter.example]}
    if parameter.choices:
        return {**words, **_one_of(parameter.choices)}
    return {"$ref": f"#/$defs/{parameter.ref}", **words}


def _one_of(choices: Sequence[str]) -> Node:
    quoted = [f"'{each}'" for each in choices]
    expected = " or ".join([*([", ".join(quoted[:-1])] if quoted[1:] else []), quoted[-1]])
    either = [{"enum": list(choices)}, {"$ref": "#/$defs/parameter"}]
    return {"anyOf": either, "x-code": "RB153", "x-owed": f"this is {expected}"}


def _comparisons(measure: Measure) -> Iterator[tuple[str, Node]]:
    if measure.is_truth:
        return
    bound = {"$ref": f"#/$defs/{measure.bound}"}
    if measure.quantity is Quantity.TEXT:
        words = {"title": "Is", "description": measure.subject, "examples": [measure.examples[0]["is"]]}
        yield "is", {**words, **(_one_of(tuple(measure.words)) if measure.words else bound)}
        return
    low, high = measure.bounds or (None, None)
    for op in measure.ops:
        words = {"title": _title(op), "description": _SENTENCES[op].format(measure.subject)}
        if op not in ("between", "outside"):
            yield op, {**bound, **words, "examples": [low if op in ("above", "at_least") else high]}
            continue
        pair = {"type": "array", "minItems": 2, "maxItems": 2, "items": bound}
        expected = "a list of two: the lower and the upper end"
        yield op, {**words, "examples": [[low, high]], **pair, "x-owed": expected}


def _rendered(node: object, depth: int, column: int) -> str:
    """Return JSON that keeps on one line what fits there."""
    flat = json.dumps(node, ensure_ascii=False)
    if not isinstance(node, Mapping | list) or not node or (depth > 1 and column + len(flat) <= _WIDTH):
        return flat
    pad = "  " * (depth + 1)
    if isinstance(node, list):
        lines = [pad + _rendered(each, depth + 1, len(pad)) for each in node]
        return "[\n" + ",\n".join(lines) + f"\n{pad[2:]}]"
    keys = ((f"{pad}{json.dumps(key)}: ", each) for key, each in node.items())
    lines = [key + _rendered(each, depth + 1, len(key)) for key, each in keys]
    return "{\n" + ",\n".join(lines) + f"\n{pad[2:]}}}"
