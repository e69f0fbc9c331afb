"""How often bots have entered, or were asked to: what a person knows who asks for one by hand, and may be second."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rulebot.model.event import Request
from rulebot.store.place import Place
from rulebot.store.queries import Run, StoreReader
from rulebot.store.requests import waiting_requests


def entries(entered: Mapping[str, int], run: Run, waiting: Iterable[Mapping[str, Any]] = ()) -> Counter[str]:
    """Return by bot how many trades it has (`entered`), and how many entries were asked for since the run began.

    waiting: what lies in the box of the store; a request on record may lie there still, and counts once.
    """
    asked = {str(each.get("id")): str(each.get("bot")) for each in waiting if _is_entry(each)}
    asked |= {str(each.data.get("id")): each.bot for each in run.requests if _is_entry(each.data)}
    return Counter(entered) + Counter(asked.values())


def entries_by_now(store: Place, bot: str) -> int:
    """Return how many a bot has now, and was asked for, those that lie in the box included. Raises: StoreError."""
    with StoreReader(store) as reader:
        return entries(reader.entered(bot), reader.run(), waiting_requests(store))[bot]


def _is_entry(told: Mapping[str, Any]) -> bool:
    return told.get("request") == Request.ENTER.value
