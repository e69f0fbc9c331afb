"""What `max_age` makes unknown: readings that are older than it, and younger than the measure's own limit."""

from dataclasses import replace
from typing import Any

import pytest

from rulebot.compile.plan import Call
from rulebot.evaluate.measure import reader_of
from rulebot.measure.reading import Reading, UnknownValue
from rulebot.measure.view import View
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import Underlying
from tests.unit.measures.market_view import ALL, CONTEXT, NOW, condor, view

OLD = "short_put: stale for 11 s"


def read(seen: View, measure: str, max_age: float, **arguments: Any) -> Reading:
    """Return what a measure reads beside a `max_age` in seconds."""
    call = Call(measure, tuple(sorted(arguments.items())), VOCABULARY[measure].quantity)
    return reader_of(call, replace(CONTEXT, max_age=max_age))(seen)


@pytest.mark.parametrize(
    ("measure", "arguments"),
    [("credit", {"at": "start"}), ("debit", {"at": "start"}), ("max_risk", {}), ("return_on_risk", {})],
)
def test_the_price_the_order_starts_from_is_as_old_as_the_quotes_of_its_legs(
    measure: str, arguments: dict[str, Any]
) -> None:
    at = condor(view(), held=False)
    at.now = at.board.alive_at = NOW + 10.0
    assert read(at, measure, 10.0, **arguments) == UnknownValue(OLD)
    assert isinstance(read(at, measure, 11.0, **arguments), float)
    held = condor(view())
    held.now = held.board.alive_at = NOW + 10.0
    assert isinstance(read(held, measure, 10.0, **arguments), float)


def test_counts_are_as_old_as_the_feed_is_silent() -> None:
    at = condor(view(), held=False)
    for leg in at.legs:
        at.board.volume[leg.row] = 100.0
    row = at.board.rows[Underlying("SPX")]
    at.board.put_volume[row], at.board.call_volume[row] = 90.0, 60.0
    at.now = NOW + 6.0
    for measure, of, count in (("volume", ALL, 100.0), ("put_call_volume", "SPX", 1.5)):
        assert isinstance(read(at, measure, 5.0, of=of), UnknownValue)
        assert read(at, measure, 6.0, of=of) == count
