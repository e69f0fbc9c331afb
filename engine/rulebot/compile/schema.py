"""The JSON Schema of a bot: what is written by hand, and what follows from the definitions of the measures.

A measure with a `subject` has its `m_` and `let_` definitions made here; the others have theirs written by hand. The
lists of all measures, and the pattern of misspelt ones, are made here for all.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rulebot.measure.definition import Measure, Parameter
from rulebot.measures.registry import VOCABULARY
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
"""Where a condition may stand, and the definition of all words there."""


def document(text: str) -> str:
    """Return the text of the schema with all that follows from the measures made anew."""
    schema = json.loads(text)
    definitions: Node = schema["$defs"]
    for measure in VOCABULARY.values():
        if measure.subject:
            _put(definitions, f"m_{measure.name}", _condition(measure))
        if measure.subject and measure.let_example is not None:
            _put(definitions, f"let_{measure.name}", _let(measure))
    for name in [*_LISTS, "let"]:
        prefix = "let_" if name == "let" else "m_"
        known = definitions[name]["properties"]
        for measure in (each for each in VOCABULARY.values() if each.subject):
            if f"{prefix}{measure.name}" in definitions:
                _put(known, measure.name, {"$ref": f"#/$defs/{prefix}{measure.name}"}, prefix)
    for name, known_words in _LISTS.items():
        definitions[known_words]["propertyNames"]["enum"] = list(definitions[name]["properties"])
    definitions["known_measure"]["anyOf"][1]["enum"] = list(VOCABULARY)
    words = {word for name in _LISTS for word in definitions[name]["properties"]}
    definitions["no_slip"]["not"]["pattern"] = one_slip_from(words)
    return _rendered(schema, 0, 0) + "\n"


def _put(nodes: Node, name: str, node: Node, prefix: str = "") -> None:
    """Replace a node, or add it behind the last of its kind."""
    if name in nodes:
        nodes[name] = {**node, **nodes[name]} if "$ref" in node else node
        return
    kind = f"#/$defs/{prefix}" if prefix else f"{name.partition('_')[0]}_"
    of_kind = [key for key, each in nodes.items() if (each.get("$ref", "") if prefix else key).startswith(kind)]
    items = list(nodes.items())
    items.insert(list(nodes).index(of_kind[-1]) + 1, (name, node))
    nodes.clear()
    nodes.update(items)


def _condition(measure: Measure) -> Node:
    return {
        "title": measure.title,
        "description": measure.about,
        "examples": list(measure.examples),
        "type": "object",
        "properties": {**_arguments(measure), **dict(_comparisons(measure))},
        "additionalProperties": False,
        **_required(measure),
        "x-owed": "a comparison in braces",
        "x-exactly-one": list(measure.ops),
    }


def _let(measure: Measure) -> Node:
    return {
        "title": measure.title,
        "description": measure.about,
        "examples": [measure.let_example],
        "type": "object",
        "properties": _arguments(measure),
        "additionalProperties": False,
        **_required(measure),
        "x-owed": "its arguments in braces",
        "minProperties": 1,
    }


def _required(measure: Measure) -> Node:
    required = [parameter.name for parameter in measure.parameters if parameter.required]
    return {"required": required} if required else {}


def _arguments(measure: Measure) -> Node:
    """Return the properties of the arguments; the underlying comes last."""
    ordered = sorted(measure.parameters, key=lambda parameter: parameter.name == "of")
    return {parameter.name: _argument(parameter) for parameter in ordered}


def _argument(parameter: Parameter) -> Node:
    words = {
        "title": parameter.name.replace("_", " ").capitalize(),
        "description": parameter.about,
        "examples": [parameter.example],
    }
    if not parameter.choices:
        return {"$ref": f"#/$defs/{parameter.ref}", **words}
    quoted = [f"'{each}'" for each in parameter.choices]
    owed = " or ".join([*([", ".join(quoted[:-1])] if quoted[1:] else []), quoted[-1]])
    choices = [{"enum": list(parameter.choices)}, {"$ref": "#/$defs/parameter"}]
    return {**words, "anyOf": choices, "x-code": "RB153", "x-owed": f"this is {owed}"}


def _comparisons(measure: Measure) -> Iterator[tuple[str, Node]]:
    bound = {"$ref": f"#/$defs/{measure.bound}"}
    low, high = measure.bounds or (None, None)
    for op in measure.ops:
        words = {"title": op.replace("_", " ").capitalize(), "description": _SENTENCES[op].format(measure.subject)}
        if op not in ("between", "outside"):
            yield op, {**bound, **words, "examples": [low]}
            continue
        pair = {"type": "array", "minItems": 2, "maxItems": 2, "items": bound}
        owed = "a list of two: the lower and the upper end"
        yield op, {**words, "examples": [[low, high]], **pair, "x-owed": owed}


def _rendered(node: object, depth: int, column: int) -> str:
    """Return JSON of which what fits into a line stands in one."""
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
