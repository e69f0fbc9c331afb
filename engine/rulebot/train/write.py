"""A trained model as the text of its file: JSON in short lines, the same bytes each time."""

import json
from collections.abc import Mapping
from typing import Any

from rulebot.model.errors import InvariantError
from rulebot.model.learned import FORMAT, Kind, LearnedModel, ModelError, Tree, model_of


def text_of_model(model: LearnedModel, trained: Mapping[str, Any]) -> str:
    """Return the text of a model file; `trained` says where it comes from. Raises: InvariantError."""
    parts = [
        f'"rulebot_model": {FORMAT}',
        f'"kind": {_json(model.kind.value)}',
        f'"features": {model.features}',
        f'"inputs": {_list([_input(each, model.kind) for each in model.inputs])}',
        f'"start": {_json(model.start)}',
        f'"calibration": {_json({"slope": model.slope, "offset": model.offset})}',
        *([f'"trees": {_list([_tree(each) for each in model.trees])}'] if model.trees else []),
        f'"trained": {_mapping(trained)}',
    ]
    text = "{\n " + ",\n ".join(parts) + "\n}\n"
    try:
        again = model_of(text)
    except ModelError as error:
        raise InvariantError(f"the model that was trained cannot be read: {error}") from error
    if (again.inputs, again.trees, again.start) != (model.inputs, model.trees, model.start):
        raise InvariantError("the model that was trained reads otherwise")
    return text


def _input(each: Any, kind: Kind) -> dict[str, Any]:
    found = {"name": each.name, "missing": each.missing}
    scaled = {"mean": each.mean, "scale": each.scale, "weight": each.weight}
    return {**found, **scaled} if kind is Kind.LOGISTIC else found


def _tree(tree: Tree) -> dict[str, Any]:
    return {name: [*getattr(tree, name)] for name in ("feature", "threshold", "left", "right", "value")}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _list(rows: list[Any]) -> str:
    return "[\n  " + ",\n  ".join(map(_json, rows)) + "\n ]"


def _mapping(found: Mapping[str, Any]) -> str:
    rows = []
    for key, value in found.items():
        is_long = isinstance(value, list) and value and isinstance(value[0], dict)
        rows.append(f"{_json(key)}: {_list(value) if is_long else _json(value)}")
    return "{\n  " + ",\n  ".join(rows) + "\n }"
