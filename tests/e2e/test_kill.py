"""The engine's process is killed, again and again, and its books still equal the broker's."""

import asyncio
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from rulebot.record.record import Kind
from tests.e2e.kill_checks import findings_of
from tests.e2e.kill_trials import Outcome, Trial, run_trial

HALF_DAY = date(2026, 11, 27)
"""The session after Thanksgiving closes at 13:00: what happens in a day, in half the time."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there"),
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a day of the seller and both condors whose engine was killed six times."""
    folder = tmp_path_factory.mktemp("killed")
    outcome = asyncio.run(run_trial(Trial(seed=7, kills=6, first_day=HALF_DAY, data_seconds=15), folder))
    if outcome.problems:
        print((folder / "output.txt").read_text())
    return outcome


def test_ci_six_kills_in_a_day_lose_nothing_and_double_nothing(killed: Outcome) -> None:
    """No duplicate, no orphan, equal to the ledger to the cent."""
    assert killed.problems == ()
    assert len(killed.kills) >= 4
    assert any(position.opened_at is not None for position in killed.day.positions.values())


def test_ci_what_is_wrong_would_be_seen(killed: Outcome) -> None:
    """The same day with a fill, an order or a cent missing, or an order sent twice, is not sound."""
    day, outside = killed.day, killed.outside
    first = next(record for record in day.records if record.kind is Kind.FILL)
    ref = str(first.data["ref"])
    assert findings_of(replace(day, records=tuple(r for r in day.records if r is not first)), outside).fills
    assert findings_of(replace(day, records=(*day.records, first)), outside).fills
    assert findings_of(replace(day, orders={r: o for r, o in day.orders.items() if r != ref}), outside).orphans
    dearer = {key: paid + Decimal("0.01") for key, paid in day.ledger.commissions.items()}
    assert findings_of(replace(day, ledger=replace(day.ledger, commissions=dearer)), outside).books
    sent = next(row for row in outside.rows if row.get("order_ref") == ref)
    again = replace(outside, rows=(*outside.rows, {**sent, "perm_id": 1}))
    assert findings_of(day, again).duplicates
    assert findings_of(day, replace(outside, working=())).orphans
