"""Queries and bodies of the REST interface: a parameter that a path does not know, or that is given twice, is refused.

One of them would be left out.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from fastapi import Depends, HTTPException, Request
from fastapi.routing import APIRoute

from rulebot.web.answers import unknown_words

API = "/api/"


async def _known_alone(request: Request) -> None:
    """Refuse a query with a parameter that the route has not, or twice, and a body with a field twice.

    Pages, /health and /metrics take any parameter.

    Raises: HTTPException 422.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or not route.path.startswith(API):
        return
    known = {each.alias for each in route.dependant.query_params}  # codespell:ignore
    if unknown := [name for name in request.query_params if name not in known]:
        raise HTTPException(422, unknown_words("parameter", unknown[0], known))
    _refuse_twice(name for name, _ in request.query_params.multi_items())
    with suppress(ValueError):  # of no JSON, which is told as such
        json.loads(await request.body(), object_pairs_hook=_object)


def _object(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice(name for name, _ in fields)
    return dict(fields)


def _refuse_twice(names: Iterable[str]) -> None:
    """Refuse a name that stands twice. Raises: HTTPException 422."""
    counts = Counter(names)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise HTTPException(422, f"{twice[0][:60]}: it is given {counts[twice[0]]} times: once is meant")


def check_span(first: date | None, last: date | None) -> None:
    """Refuse a span of days that ends before it begins. Raises: HTTPException 422."""
    if first is not None and last is not None and last < first:
        raise HTTPException(422, f"from: {first} is after to, {last}: no day lies between them")


STRICT = (Depends(_known_alone),)
"""What each router with paths of the REST interface depends on."""
