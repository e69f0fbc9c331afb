"""What `rulebot promote` says, and what `rulebot run --live` says is missing, to the letter."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from paper_days import BOT, at, days, put, session, sound_trade, spec_text, together
from paper_days import alarm as reported
from syrupy.assertion import SnapshotAssertion

from rulebot.adapters.ib.handshake import Greeting
from rulebot.cli.main import main
from rulebot.promotion.promotion import AdmissionRequest, LiveStore, Promotion, missing, refusal
from rulebot.promotion.sessions import Figures
from rulebot.record.record import Kind, Record
from rulebot.spec.load import load_text
from rulebot.spec.nouns import AccountDocument
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

ACCOUNT = """
rulebot_account: 1
about: For a test.
account: DU1234567
risk: {max_open: 3}
live:
  account: U1234567
  require:
    - compliant_sessions: {at_least: 3}
    - expectancy: {above: $0}
    - sharpe: {above: 1.0}
  good_for: 5d
"""
MODEST = ACCOUNT.replace("    - sharpe: {above: 1.0}\n", "")
TODAY = date(2026, 10, 30)
NOW = at(date(2026, 10, 23), "08:00")
DIGEST = spec_text().digest


@dataclass(frozen=True)
class StandingClock:
    """Always says the same."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return 0.0


def traded(day: date, made: str, *more: Record, simulated: bool = False) -> list[Record]:
    return session(day, None, *sound_trade(day, made), *more, simulated=simulated)


def promote(folder: Path, runs: Sequence[Sequence[Record]], *arguments: str, account: str = ACCOUNT) -> Result:
    """Write a paper store and an account document, and promote the bot of the store."""
    folder.joinpath("account.yaml").write_text(account, encoding="utf-8")
    journal = SqlJournal(open_store(Path("paper.db")))
    journal.append(together(*runs), durable=True)
    journal.close()
    return again(*arguments)


def again(*arguments: str, now: datetime = NOW) -> Result:
    named = ("--store", "paper.db", "--live-store", "live.db", "--account", "account.yaml")
    return CliRunner().invoke(main, ["promote", BOT, *named, *arguments], obj=StandingClock(now))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def test_what_falls_short_is_said_line_by_line(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    one, two, three, four = days(4)
    by_hand = reported(two, "13:00", f"not ours: bought 1 {put(two)} at 0.50", str(put(two)))
    runs = [
        traded(one, "25"),
        traded(two, "-40", by_hand),
        traded(three, "10"),
        session(four, starts="12:00"),
        session(four, simulated=True),
    ]
    found = promote(tmp_path, runs)
    assert found.exit_code == 1
    assert found.stdout == snapshot(name="text")
    assert again("--format", "json").stdout == snapshot(name="json")
    assert not (tmp_path / "live.db").exists()


def test_a_bot_that_falls_short_of_nothing_is_promoted(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    found = promote(
        tmp_path, [traded(day, made) for day, made in zip(days(3), ("25", "-5", "10"), strict=True)], account=MODEST
    )
    assert (found.exit_code, found.stdout) == (0, snapshot)
    audited = CliRunner().invoke(main, ["store", "audit", "--store", "live.db"])
    assert audited.exit_code == 0, audited.output


def test_sessions_that_are_too_old_promote_for_nothing(tmp_path: Path) -> None:
    """Those of Monday to Wednesday are good for five sessions after it: on the Wednesday after, and no longer."""
    promote(tmp_path, [traded(day, "25") for day in days(3)], account=MODEST.replace("at_least: 3", "at_least: 4"))
    words = "its last session on paper was 2026-10-21, which is good for 5 sessions, until 2026-10-28"
    late = at(date(2026, 10, 29), "08:00")
    assert f"put_lite is not promoted: it falls short of 1 of 2 demands; {words}" in again(now=late).stdout
    (tmp_path / "account.yaml").write_text(MODEST, encoding="utf-8")
    found = again(now=late)
    assert (found.exit_code, f"put_lite is not promoted: {words}" in found.stdout) == (1, True), found.output
    assert not (tmp_path / "live.db").exists()
    assert again(now=at(date(2026, 10, 28), "16:30")).exit_code == 0


def test_simulated_sessions_promote_for_a_simulated_account_only(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    found = promote(tmp_path, [traded(day, "25", simulated=True) for day in days(3)], account=MODEST)
    assert (found.exit_code, found.stdout) == (1, snapshot(name="for real"))
    simulated = again("--sim")
    assert (simulated.exit_code, simulated.stdout) == (0, snapshot(name="for a simulated account"))


def test_an_engine_that_was_killed_ran_until_its_last_record(tmp_path: Path) -> None:
    """Its last record is of 11:00, and it is back at 11:03."""
    (day,) = days(1)
    prices = [Record(at(day, clock), Kind.PRICES, data={"prices": {}}) for clock in ("10:45", "11:00")]
    promote(tmp_path, [session(day, None, *prices)[:-1], session(day, starts="11:03")])
    found = json.loads(again("--format", "json").stdout)
    assert [each["judged"] for each in found["bots"][0]["sessions"]] == ["compliant"]


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (ACCOUNT.partition("live:")[0], "account.yaml has no 'live'"),
        (ACCOUNT.replace("U1234567\n  req", "DU1234567\n  req"), "'account' takes an account with real money"),
    ],
)
def test_documents_that_admit_nobody(tmp_path: Path, account: str, words: str) -> None:
    found = promote(tmp_path, [session(days(1)[0])], account=account)
    assert words in found.output
    assert found.exit_code in (1, 2)


def test_a_journal_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    import sqlite3

    promote(tmp_path, [traded(day, "25") for day in days(3)], account=MODEST)
    with sqlite3.connect("paper.db") as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET data = replace(data, '1.00', '9.00') WHERE kind = 'fill'")
    connection.close()
    found = again()
    assert found.exit_code == 3
    assert "the journal of paper.db is not what was written, from number" in found.stderr


def test_a_promotion_never_goes_into_a_paper_store(tmp_path: Path) -> None:
    promote(tmp_path, [traded(day, "25") for day in days(3)], account=MODEST)
    found = again("--live-store", "paper.db")
    assert found.exit_code == 3
    assert "paper.db holds runs on paper; live runs have a store of their own" in found.stderr


def test_while_an_engine_runs_on_the_live_store_it_is_shown_what_to_do(tmp_path: Path) -> None:
    with closing(SqlJournal(open_store(Path("live.db")))):
        found = promote(tmp_path, [traded(day, "25") for day in days(3)], account=MODEST)
    assert found.exit_code == 3
    assert "an engine runs on live.db, which is where promotions are kept" in found.stderr
    assert "stop it ('rulebot stop'), promote, and start it again" in found.stderr
    assert again().exit_code == 0


def test_paper_never_runs_on_a_live_store(tmp_path: Path) -> None:
    promote(tmp_path, [traded(day, "25") for day in days(3)], account=MODEST)
    spec = str(Path(spec_text().file))
    for arguments in (("--paper", "--gateway", "127.0.0.1:1"), ("--paper", "--sim", "--gateway", "127.0.0.1:1")):
        found = CliRunner().invoke(main, ["run", *arguments, "--store", "live.db", spec])
        assert found.exit_code == 3
        assert "live.db is the store of live runs" in found.stderr


# ---------------------------------------------------------------- what a live run lacks


def document(text: str = ACCOUNT) -> AccountDocument:
    found = load_text(text, "account.yaml").account
    assert found is not None
    return found


def earned(**changes: object) -> Promotion:
    figures = Figures(
        sessions=20, compliant_sessions=20, since=date(2026, 9, 28), last=date(2026, 10, 23), trades=20,
        net=Decimal(100), marked=Decimal(100), expectancy=Decimal(5), expectancy_r=None, win_rate=None,
        sharpe=Decimal("1.5"), sharpe_error=Decimal("3.6"),
    )  # fmt: skip
    promotion = {
        "digest": DIGEST, "account": "U1234567", "simulated": False, "figures": figures, "paper": ("DU1234567",),
        "store": "paper.db", "records": 1, "hash": "00",
    }  # fmt: skip
    return Promotion(**(promotion | changes))  # type: ignore[arg-type]


def asked(*promotions: Promotion, **changes: object) -> AdmissionRequest:
    first = {
        "digests": {BOT: DIGEST},
        "document": document(),
        "where": "127.0.0.1:4001",
        "offered": Greeting(accounts=("U1234567",), is_simulated=False, reported_at=None),
        "unreachable": "",
        "store": LiveStore(promotions={BOT: promotions} if promotions else {}),
        "today": TODAY,
        "confirmed": "U1234567",
    }
    return AdmissionRequest(**(first | changes))  # type: ignore[arg-type]


def offers(*accounts: str, simulated: bool = False) -> Greeting:
    return Greeting(accounts=accounts, is_simulated=simulated, reported_at=None)


def test_nothing_is_missing() -> None:
    assert missing(asked(earned())) == []
    assert missing(asked(earned(), confirmed=None)) == []
    assert missing(asked(earned(simulated=True), offered=offers("U1234567", simulated=True))) == []


CASES = {
    "everything": asked(document=None, offered=offers("DU1234567"), confirmed=""),
    "nobody answers": asked(offered=None, unreachable="nothing listens on 127.0.0.1:4001 or 7496", confirmed=""),
    "no rules": asked(earned(), document=document(ACCOUNT.partition("live:")[0])),
    "other accounts": asked(earned(), offered=offers("U7777777", "U8888888")),
    "a paper account": asked(earned(), offered=offers("DU1234567")),
    "never promoted": asked(),
    "another text": asked(earned(digest="0123456789abcdef")),
    "another account": asked(earned(account="U7777777")),
    "simulated for real": asked(earned(simulated=True)),
    "real for simulated": asked(earned(), offered=offers("U1234567", simulated=True)),
    "too old": asked(earned(), today=date(2026, 11, 2)),
    "more is demanded now": asked(earned(), document=document(ACCOUNT.replace("above: 1.0", "above: 2.0"))),
    "another id was meant": asked(earned(), confirmed="U7777777"),
    "a changed live store": asked(store=LiveStore(promotions={}, problem="the journal is not what was written")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_missing_is_said_at_once(name: str, snapshot: SnapshotAssertion) -> None:
    found = missing(CASES[name])
    assert found
    error = refusal(found, "live.db", held=2 if name == "too old" else 0)
    assert error.exit_code == 1
    assert f"{error.message}\n  = help: {error.help}" == snapshot
