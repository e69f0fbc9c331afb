"""Why a connection failed, in words."""

import pytest

from rulebot.adapters.ib.connection_errors import incomplete, why_lost
from rulebot.adapters.ib.settings import IbSettings


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("[Errno 104] Connection reset by peer", "Connection reset by peer"),
        ("[WinError 10054] An existing connection was closed", "An existing connection was closed"),
        ("", "the broker closed the connection"),
        ("its clock stands still", "its clock stands still"),
    ],
)
def test_a_lost_connection_is_reported_without_a_number_of_the_system(reason: str, words: str) -> None:
    assert why_lost(reason) == words


def test_of_executions_that_never_end_another_version_is_named() -> None:
    """Several versions of TWS have never ended that list."""
    alone, both = (incomplete(IbSettings(), names) for names in (["executions"], ["positions", "executions"]))
    assert "another version" in str(alone.help)
    assert "another version" not in str(both.help)
