"""`rulebot reload`: what the command itself refuses, before it asks the engine."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import text_of
from store_day import at

from rulebot.cli.main import main
from rulebot.documents.load_bots import SpecSources, reread, sources_as_json
from rulebot.promotion.promotion import Promotion
from rulebot.promotion.sessions import Figures
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

ACCOUNT = """rulebot_account: 1
about: For a test.
account: DU1234567
risk: {max_open: 3}
live:
  account: U1234567
  require: [{compliant_sessions: {at_least: 3}}, {expectancy: {above: $0}}]
  good_for: 5d
"""
TRIED = date(2026, 10, 20)


def promotion(digest: str) -> Record:
    figures = Figures(
        sessions=20, compliant_sessions=20, since=date(2026, 9, 28), last=TRIED, trades=20, net=Decimal(100),
        marked=Decimal(100), expectancy=Decimal(5), expectancy_r=None, win_rate=None, sharpe=None, sharpe_error=None,
    )  # fmt: skip
    found = Promotion(
        digest=digest, account="U1234567", simulated=True, figures=figures,
        paper=("DU1234567",), store="paper.db", records=1, hash="00",
    )  # fmt: skip
    data = encode(found)
    assert isinstance(data, dict)
    return Record(at("09:00"), Kind.PROMOTION, "spread", data=data)


@pytest.mark.parametrize(("sessions", "code"), [(1, 0), (8, 1)])
def test_a_promotion_is_as_old_as_it_is_in_the_session_that_the_engine_is_in(
    tmp_path: Path, sessions: int, code: int
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "spread.yaml").write_text(text_of(), encoding="utf-8")
    (tmp_path / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    desk = reread(SpecSources(("specs",), {}, None, tmp_path))
    started: dict[str, Json] = {
        "specs": {}, "sources": sources_as_json(desk), "limits": None, "account": "U1234567", "simulated": True,
        "settings": {"mode": "live"}, "session": "2026-10-21", "lockstep": True,
    }  # fmt: skip
    days = [date(2026, 10, 21) + timedelta(days=number) for number in range(sessions)]
    journal = SqlJournal(open_store(tmp_path / "s.db"))
    reported = [Record(at("09:31"), Kind.SESSION, data={"date": day.isoformat()}) for day in days]
    journal.append(
        [promotion(desk.digests["spread"]), Record(at("09:30"), Kind.RUN_STARTED, data=started), *reported],
        durable=True,
    )
    result = CliRunner().invoke(main, ["reload", "--store", str(tmp_path / "s.db")])
    journal.close()
    assert result.exit_code == code, result.output
    assert ("the promotion of spread is too old" in result.output) is bool(code)
