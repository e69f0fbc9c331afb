"""Queries of the REST interface: a parameter that its path does not know is refused, since it would be left out."""

from fastapi import Depends, HTTPException, Request
from fastapi.routing import APIRoute

from engine.web.answers import unknown_words

API = "/api/"


async def _known_alone(request: Request) -> None:
    """Refuse a query with a parameter that the route has not; pages, /health and /metrics take any.

    Raises: HTTPException 422.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or not route.path.startswith(API):
        return
    known = {each.alias for each in route.dependant.query_params}  # codespell:ignore
    if unknown := [name for name in request.query_params if name not in known]:
        raise HTTPException(422, unknown_words("parameter", unknown[0], known))


STRICT = (Depends(_known_alone),)
"""What each router with paths of the REST interface depends on."""
