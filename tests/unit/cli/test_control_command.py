"""`rulebot pause`, `resume` and `kill` of a bot: a name that nobody has is refused, not left for an engine."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result
from hand_desk import SELLER, kept, text_of
from hand_desk import Desk as TradingDesk

from rulebot.adapters.ib.settings import IbSettings
from rulebot.cli.main import main
from rulebot.cli.terminal.screen import start_lines
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.start import RunOptions
from rulebot.model.errors import BrokerError
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store, remember_engine
from rulebot.store.requests import box_of

AT = datetime(2026, 11, 18, 15, 31, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    open_store(tmp_path / "a.db").close()
    monkeypatch.setattr(StoreReader, "bots", lambda _: ["put_lite"])
    return tmp_path / "a.db"


def call(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("words", [("pause", "put_lit"), ("resume", "put_lit"), ("kill", "put_lit")])
def test_a_name_that_nobody_has_is_refused(store: Path, words: tuple[str, ...]) -> None:
    found = call(*words, "--store", str(store))
    assert (found.exit_code, "did you mean 'put_lite'?" in found.stderr) == (2, True)
    flattened = call("kill", "put_lit", "--flatten", "--store", str(store))
    assert (flattened.exit_code, "did you mean 'put_lite'?" in flattened.stderr) == (2, True)


@pytest.mark.parametrize("words", [("pause", ""), ("resume", ""), ("kill", ""), ("kill", "", "--flatten")])
def test_an_empty_name_is_not_all_bots(words: tuple[str, ...], store: Path) -> None:
    """So `rulebot resume "$BOT"` let all bots enter where BOT was not set; `kill --flatten` closed what all held."""
    found = call(*words, "--store", str(store))
    assert found.exit_code == 2
    assert "an empty name is no bot; without any all bots are meant" in found.output
    assert box_of(store).found() == []


@pytest.mark.parametrize("words", [("pause", "put_lite"), ("kill",)])
def test_what_is_known_is_left(store: Path, words: tuple[str, ...]) -> None:
    found = call(*words, "--store", str(store))
    assert (found.exit_code, "the next one does so" in found.output) == (0, True)


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("kill",), ("hooks", "send", "trend")])
@pytest.mark.parametrize(
    ("settings", "of"),
    [
        ({"mode": "paper", "sim": True, "seed": 7}, "a simulated market"),
        ({"mode": "observe", "sim": True, "seed": 7}, "a simulated market"),
        ({"mode": "backtest"}, "a backtest"),
    ],
)
def test_nothing_is_left_where_no_engine_will_ever_look(
    store: Path, settings: dict[str, Json], of: str, words: tuple[str, ...]
) -> None:
    """After a simulated day `rulebot kill` promised that the next engine would do it; the one on paper never heard."""
    with closing(SqlJournal(open_store(store))) as journal:
        journal.append([Record(AT, Kind.RUN_STARTED, data={"simulated": True, "settings": settings})], durable=True)
    found = call(*words, "--store", str(store))
    assert found.exit_code == 3
    assert f"no engine runs on {store}, and none will: it belongs to {of} that is over" in found.stderr
    assert box_of(store).found() == []


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("kill", "put_lite", "--flatten"), "close all that put_lite holds, and open nothing"),
        (("kill", "--flatten"), "close all that all bots hold, and open nothing"),
        (("kill", "put_lite"), "kill put_lite: it only reduces from now on"),
        (("kill",), "kill all bots: they only reduce from now on"),
    ],
)
def test_one_bot_and_all_are_reported_in_their_number(store: Path, words: tuple[str, ...], asked: str) -> None:
    with closing(SqlJournal(open_store(store))) as journal:
        started = Record(AT, Kind.RUN_STARTED, data={"account": "DU1", "specs": {}, "epoch": journal.epoch})
        journal.append([started], durable=True)
        assert call(*words, "--store", str(store)).output.startswith(f"asked the engine of {store} to {asked}\n")


LATER = "nothing is cancelled or closed until it is back"
ENDS = "it ends anyway; working orders continue"


@pytest.mark.parametrize(
    ("words", "reported"), [(("kill", "--flatten"), LATER), (("kill",), LATER), (("stop",), ENDS), (("pause",), "")]
)
def test_what_needs_the_broker_says_that_he_is_away(store: Path, words: tuple[str, ...], reported: str) -> None:
    """`kill --flatten` said that the engine was asked to close all, while it could close nothing."""
    with closing(SqlJournal(open_store(store))) as journal:
        started = Record(AT, Kind.RUN_STARTED, data={"account": "DU1", "specs": {}, "epoch": journal.epoch})
        for up in (False, True):
            link = Record(AT, Kind.LINK, data={"up": up, "reason": "" if up else "error 1100"})
            journal.append([started, link], durable=True)
            said = call(*words, "--store", str(store)).output
            assert said.startswith("asked the engine of ")
            assert ("not connected to the broker since" in said) is (bool(reported) and not up)
            assert [text for text in (LATER, ENDS) if text in said] == ([reported] if reported and not up else [])


def test_a_store_that_knows_no_bot_yet_refuses_none(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoreReader, "bots", lambda _: [])
    assert call("kill", "put_lite", "--store", str(store)).exit_code == 0


def test_a_store_on_which_nothing_has_run_has_nothing_to_close(store: Path) -> None:
    """It said that a simulated market had ended."""
    found = call("kill", "--flatten", "--store", str(store))
    assert (found.exit_code, f"nothing has run on {store}" in found.stderr) == (2, True)


def test_what_cannot_be_left_for_the_next_engine_is_not_promised(store: Path) -> None:
    """On a full disk it said what the next engine closes, and then that the request cannot be left."""
    with closing(SqlJournal(open_store(store))) as journal:
        settings = {"gateway": "127.0.0.1:4002"}
        data = {"account": "DU1", "specs": {}, "epoch": journal.epoch, "settings": settings}
        journal.append([Record(AT, Kind.RUN_STARTED, data=data)], durable=True)
    store.with_name("a.db.inbox").write_text("")
    found = call("kill", "--flatten", "--store", str(store))
    assert (found.exit_code, found.stdout) == (3, "")
    assert "cannot be left" in found.stderr


@pytest.mark.parametrize(("client", "is_at_work", "comes_as"), [(0, False, 0), (5, False, 5), (5, True, 7)])
def test_all_is_closed_as_the_client_whose_orders_rest(
    tmp_path: Path, client: int, is_at_work: bool, comes_as: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a run as client 0 it came as client 1, which cannot cancel the exits at work: so nothing was closed."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    came: list[IbSettings] = []

    def seen(settings: IbSettings) -> NoReturn:
        came.append(settings)
        raise BrokerError("nobody answers")

    monkeypatch.setattr("rulebot.live.environments.ib_world", seen)
    settings: dict[str, Json] = {"gateway": "127.0.0.1:4002", "client_id": client}
    desk = TradingDesk((text_of("seller", **SELLER),))
    started: dict[str, Json] = {"account": "DU1", "specs": {}, "install": "abc123", "settings": settings}
    desk.records.insert(0, Record(AT, Kind.RUN_STARTED, data=started))
    if is_at_work:
        desk.opened("10:01")
        for order in desk.live:
            desk.ack(order)
    found = call("kill", "--flatten", "--store", str(kept(desk, tmp_path)))
    assert (found.exit_code, "nobody answers" in found.stderr) == (3, True)
    assert [(each.client_id, each.account, each.port) for each in came] == [(comes_as, "DU1", 4002)]


def test_an_engine_that_closes_all_does_not_say_that_exits_are_watched(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a run with --exits-only it went by what that run was told."""
    said: list[str] = []
    link = SimpleNamespace(account="DU1", is_simulated=False, is_lockstep=False)
    world: Any = SimpleNamespace(ib=SimpleNamespace(link=link))

    def drive(desk: LoadedBots, options: RunOptions, _: object) -> None:
        run: Any = SimpleNamespace(options=options, world=world, first=AT, resumed=SimpleNamespace(is_fresh=True))
        run.loop = SimpleNamespace(state=SimpleNamespace(market=SimpleNamespace(facts=SimpleNamespace(events=None))))
        said.extend(start_lines(desk, run))

    monkeypatch.setattr("rulebot.cli.control.drive", drive)
    settings: dict[str, Json] = {"gateway": "127.0.0.1:4002", "client_id": 1, "exits_only": True}
    with closing(SqlJournal(open_store(store))) as journal:
        data: dict[str, Json] = {"account": "DU1", "specs": {}, "install": "abc123", "settings": settings}
        journal.append([Record(AT, Kind.RUN_STARTED, data=data)], durable=True)
    assert call("kill", "--flatten", "--store", str(store)).exit_code == 0
    assert said[1] == " what is open is closed"


def test_who_closes_all_is_reported_of_what_another_engine_has_left_open(store: Path, tmp_path: Path) -> None:
    """An engine that traded had died, one that observes went on: it was asked to close all, and nothing else said."""
    desk = TradingDesk((text_of("seller", **SELLER),))
    desk.records.insert(0, Record(AT, Kind.RUN_STARTED, data={"account": "DU1", "specs": {}}))
    desk.opened("10:01")
    other = kept(desk, tmp_path)
    remember_engine(other)
    remember_engine(store)
    reported = f"not closed by this: 1 position is open in {other}: rulebot kill --flatten --store {other}\n"
    with closing(SqlJournal(open_store(store))) as journal:
        data: dict[str, Json] = {"account": "DU1", "specs": {}, "epoch": journal.epoch, "settings": {"mode": "observe"}}
        journal.append([Record(AT, Kind.RUN_STARTED, data=data)], durable=True)
        assert call("kill", "--flatten").stderr == reported
        for words in (("kill",), ("kill", "put_lite", "--flatten"), ("kill", "--flatten", "--store", str(store))):
            assert call(*words).stderr == ""
    assert call("kill", "--flatten").stderr.startswith(f"{reported}error: {store} is the store of runs that observe")


@pytest.mark.parametrize("words", [("kill",), ("pause",), ("resume", "put_lite")])
@pytest.mark.parametrize("content", [b"rulebot: 1\n", b"SQLite format 3\0" + bytes(4000)])
def test_what_is_no_store_takes_no_request(tmp_path: Path, words: tuple[str, ...], content: bytes) -> None:
    (tmp_path / "other.db").write_bytes(content)
    found = call(*words, "--store", str(tmp_path / "other.db"))
    assert (found.exit_code, "error: " in found.stderr, "the next one" in found.stdout) == (3, True, False)
