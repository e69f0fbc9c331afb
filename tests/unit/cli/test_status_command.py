"""`rulebot status` of a store that an engine of a test has written."""

import json
from pathlib import Path

from click.testing import CliRunner
from hand_desk import Desk, text_of

from engine.cli.status import status
from engine.store.journal import SqlJournal
from engine.store.open import open_store


def test_a_halt_reads_as_in_the_report_of_the_run(tmp_path: Path) -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.opened()
    desk.level("VIX", 31.0)
    desk.tick(1)
    path = tmp_path / "day.db"
    journal = SqlJournal(open_store(path))
    journal.append(tuple(desk.records), durable=True)
    journal.close()
    found = CliRunner().invoke(status, ["--store", str(path), "--format", "json"])
    assert json.loads(found.output)["halts"] == [{"bot": "spread", "reason": "vix 31.00, above 30"}]
