"""What a person sees: a page made of a store or of a run, in parts that are pushed when they change."""

import http.client
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import served
from jinja2 import FileSystemLoader
from run_day import run_at
from store_day import at, small_day
from web_client import TOKEN, Client, Elapsed

from rulebot.drawing import FOLDER
from rulebot.model.contract import Underlying
from rulebot.model.errors import StoreError
from rulebot.model.money import dollars
from rulebot.narrate.happenings import EventLine, Tone
from rulebot.narrate.snapshot import session_text
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.record import Json, Kind
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web import live as pages_live
from rulebot.web import pages
from rulebot.web.live import Live, snapshot_of_run
from rulebot.web.pages import PARTS, Parts, days_svg


def test_a_run_is_shown_as_it_stands() -> None:
    picture = snapshot_of_run(run_at("12:00"), at("12:00"))
    assert (picture.engine, picture.trading, picture.is_linked, picture.mode) == ("running", "active", True, "paper")
    assert picture.at == at("12:00")
    assert session_text(picture.session, picture.at) == "closes 16:00"
    assert dict(picture.levels) == {"SPX": 6004.12, "SPY": 599.93, "VIX": 16.8}
    assert picture.ratio == pytest.approx(6004.12 / 599.93)
    seller, condor = picture.positions
    assert (condor.bot, condor.dte, condor.mark) == ("dte0_condor", 0, pytest.approx(0.54))
    assert condor.at_target is not None
    assert condor.at_stop is not None
    assert condor.at_stop < 0 < condor.at_target
    assert (seller.bot, seller.dte) == ("spy_put_seller", 93)
    assert "calm_tape_condor" in [row.bot for row in picture.bots]


def test_shares_that_an_assignment_has_left_are_shown_with_the_account() -> None:
    run = run_at("12:00")
    assert snapshot_of_run(run, at("12:00")).shares == ()
    run.loop.state = run.loop.state._replace(
        account=replace(
            run.loop.state.account,
            holdings={Underlying("SPY"): Decimal(-200), Underlying("QQQ"): Decimal(0)},
        )
    )
    assert snapshot_of_run(run, at("12:00")).shares == (("SPY", -200.0),)


def test_what_is_not_known_is_not_made_up() -> None:
    run = run_at("12:00")
    run.loop.state.market.board.alive_at = 0.0
    picture = snapshot_of_run(run, at("12:00"))
    assert [each.mark for each in picture.positions] == [None, None]
    assert picture.greeks == {"delta": None, "gamma": None, "theta": None, "vega": None}
    assert picture.dollar_greeks["delta"] is None
    assert picture.spx_delta is None


def test_a_store_alone_is_shown_as_it_was_left(client: Client) -> None:
    with StoreReader(client.place) as reader:
        picture = snapshot_of_store(reader)
        (row,) = reader.view("open_positions")
    assert (picture.engine, picture.is_linked) == ("stopped", None)
    assert "no engine runs" in picture.notice
    (position,) = picture.positions
    assert position.profit == row["unrealized_pnl"]
    assert position.exits.startswith("resting: target")
    resting = {(each.bot, each.words, each.price) for each in picture.orders}
    assert resting == {("spy_put_seller", "target", "at 2.03"), ("spy_put_seller", "stop", "stop 15.21")}


@pytest.fixture
def live(client: Client) -> Live:
    return Live(client.place, Elapsed())


def test_a_part_is_made_again_only_when_something_has_changed(live: Live) -> None:
    parts = Parts(live)
    number, first = parts.now()
    assert set(first) == set(PARTS)
    assert parts.now() == (number, first)
    live.show(run_at("12:00"), at("12:00"))
    later, second = parts.now()
    assert later > number
    assert "12:00:00" in second["status"]
    assert second["trades"] == first["trades"]
    live.show(run_at("12:01"), at("12:01"))  # a moment later: the loop is not asked to draw again
    assert parts.now()[0] == later


def test_positions_and_trades_of_today_are_counted_and_open_ones_numbered(client: Client, live: Live) -> None:
    with StoreReader(client.place) as reader:
        (system,), (row,) = reader.view("system_state"), reader.view("open_positions")
    alone = Parts(live).now()[1]
    assert "positions <b>1</b>" in alone["status"]
    assert f"trades today <b>{system['trades_today']}</b>" in alone["status"]
    assert f'<td><a href="/trades/{row["id"]}">{row["id"]}<' in alone["positions"]
    live.show(run_at("12:00"), at("12:00"))
    running = Parts(live).now()[1]
    assert "positions <b>2</b>" in running["status"], "the condor is open in it, and closed in the store"
    assert running["positions"].count('<td><a href="/trades/') == 1


def test_open_positions_are_summed_since_they_were_opened(live: Live) -> None:
    live.show(run_at("12:00"), at("12:00"))
    made = [each.profit for each in live.now().picture.positions]
    assert None not in made
    total = Parts(live).now()[1]["positions"].partition("<tfoot>")[2]
    assert f">{'+' if sum(made) > 0 else ''}{dollars(sum(made))}</td>" in total


def test_a_store_without_alarms_does_not_say_that_nothing_happened(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([record for record in small_day() if record.kind is not Kind.ALARM], durable=True)
    journal.close()
    reported = Parts(Live(tmp_path / "a.db", Elapsed())).now()[1]["events"]
    assert "No alarm; more is told here only while an engine runs" in reported


def test_what_happens_is_reported_newest_first_and_kept_harmless(live: Live) -> None:
    live.notify([EventLine(at("12:00"), "dte0_condor", "<script>alert(1)</script>", Tone.ALARM)])
    live.notify([EventLine(at("12:01"), "", "later")])
    reported = Parts(live).now()[1]["events"]
    assert "<script" not in reported
    assert "&lt;script&gt;" in reported
    assert reported.index("later") < reported.index("alert(1)")


def test_a_run_that_is_over_gives_way_to_its_store(live: Live) -> None:
    live.show(run_at("12:00"), at("12:00"))
    assert live.now().picture.engine == "running"
    live.end()
    assert live.now().picture.engine == "stopped"


def test_the_first_page_and_a_bot(client: Client) -> None:
    page = client.get("/").body.decode()
    for name in ("dte0_condor", "calm_tape_condor", "spy_put_seller"):
        assert f'<a href="/bots/{name}">' in page
    assert "<style" not in page
    assert "style=" not in page
    assert " onclick" not in page
    assert '<noscript><p class="notice">Scripts are off' in page
    bot = client.get("/bots/dte0_condor?day=2026-11-18").body.decode()
    assert "traded on 2026-11-18" in bot
    assert client.get("/bots/nobody").status == 404
    assert client.get("/bots/dte0_condor?day=someday").status == 400
    for day in ("0001-01-01", "1992-12-31", "9999-12-31"):
        answer = client.get(f"/bots/dte0_condor?day={day}")
        assert (answer.status, f"{day} is outside" in answer.json["message"]) == (400, True)
        assert client.get(f"/bots/dte0_condor/chart.pine?day={day}").status == 400
    assert client.get("/bots/..%2F..%2Fetc%2Fpasswd").status == 404
    assert client.get("/static/..%2Fpages.py").status == 404


OBSERVED = "observed: nothing was sent, and orders filled by a model"


@pytest.mark.parametrize("path", ["bots/dte0_condor", "trades", "trades/1", "preview/dte0_condor"])
def test_each_page_says_whose_money_it_is(tmp_path: Path, path: str) -> None:
    """Pages of trades, and with buttons that trade, looked alike on paper and with real money."""
    started, *rest = small_day()
    said = {}
    for mode, simulated in (("paper", True), ("live", False), ("observe", False)):
        data: dict[str, Json] = {**started.data, "settings": {"mode": mode, "fills": "mid"}, "simulated": simulated}
        with closing(SqlJournal(open_store(tmp_path / f"{mode}.db"), logs=None)) as journal:
            journal.append([replace(started, data=data), *rest], durable=True)
        with served(tmp_path / f"{mode}.db") as client:
            header = client.get(f"/{path}").body.decode().partition("</header>")[0]
            said[mode] = re.findall(r'<span class="(mode \w+|mark)">([^<]*)</span>', header)
    assert said == {
        "paper": [("mode paper", "simulated paper")],
        "live": [("mode live", "live")],
        "observe": [("mode observe", "observe"), ("mark", f"{OBSERVED} (mid)")],
    }


def events(client: Client, count: int) -> Iterator[str]:
    """Yield the names of the first events that the page pushes."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    connection.request("GET", "/live", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    while count:
        line = answer.fp.readline().decode()
        if line.startswith("event: "):
            count -= 1
            yield line.removeprefix("event: ").strip()
    connection.close()


def test_no_table_is_called_as_the_part_around_it(client: Client) -> None:
    """Who hears the page was led from the region Bots into the region bots."""
    page = client.get("/").body.decode()
    parts = {each.lower() for each in re.findall(r'<h2 id="t-\w+">([^<]*)</h2>', page)}
    tables = re.findall(r'role="region" aria-label="([^"]*)"', page)
    assert (len(tables) > 2, parts & {each.lower() for each in tables}) == (True, set())


def test_a_button_to_enter_knows_how_often_its_bot_has(client: Client, live: Live) -> None:
    live.show(run_at("09:30:30"), at("09:30:30"))
    shown = Parts(live).now()[1]["bots"]
    found = dict(re.findall(r'trigger" data-bot="(\w+)" data-after="(\d+)"', shown))
    with StoreReader(client.place) as reader:
        trades = [row["strategy_id"] for row in reader.trades()]
    assert found == {bot: str(trades.count(bot)) for bot in found}
    assert "1" in found.values()


def test_no_two_buttons_have_one_name(live: Live) -> None:
    """Who hears the page, or speaks to it, met as many of the name Pause as there are bots."""
    live.show(run_at("12:00"), at("12:00"))
    parts = Parts(live).now()[1].values()
    names = [re.sub(r"<[^>]*>", "", each) for part in parts for each in re.findall(r"<button.*?>(.*?)</button>", part)]
    assert (len(names) > 3, len(names)) == (True, len(set(names))), names


def test_a_page_that_connects_is_sent_everything_once(client: Client) -> None:
    assert tuple(events(client, 1 + len(PARTS))) == ("made", *PARTS)


def test_a_page_is_of_the_program_that_runs_while_its_files_are_upgraded(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the upgrade and the restart every page was a fault of the program, and nothing could be closed on it."""
    folder = Path(shutil.copytree(Path(pages.__file__).parent / "templates", tmp_path / "templates"))
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    monkeypatch.setattr(pages.TEMPLATES, "loader", FileSystemLoader(folder))
    running: Client = request.getfixturevalue("client")
    for file in folder.rglob("*.html"):
        file.write_text("{{ of_the_next_release }}")
    for path, status in (("/", 200), ("/trades", 200), ("/bots/dte0_condor", 200), ("/nothing", 404)):
        assert running.get(path, Accept="text/html").status == status


def test_a_person_can_log_out(client: Client) -> None:
    """Only a program could: no page had a button for it."""
    assert re.search(r'<button[^>]* data-action="/api/logout" data-then="/login"', client.get("/").body.decode())


def test_a_question_is_read_aloud_with_what_it_would_do(client: Client) -> None:
    """Who hears the page heard the name of a button alone, and not what Yes comes to."""
    assert '<dialog id="ask" aria-labelledby="ask-title" aria-describedby="ask-words">' in client.get("/").body.decode()


def test_a_page_that_is_open_is_pushed_nothing_more_after_its_logout(client: Client) -> None:
    """Whoever held an ended session open went on being shown the account."""
    opened = client.send("POST", "/login", {}, f"token={TOKEN}".encode())
    session = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    with closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)) as stream:
        stream.request("GET", "/live", headers=session)
        answer = stream.getresponse()
        assert answer.status == 200
        reported = {"X-Rulebot": "1", "Content-Type": "application/json"}
        assert client.send("POST", "/api/logout", {**session, **reported}, b"{}").status == 204
        answer.read()  # it ends


def test_a_store_that_cannot_be_read_is_said_to_everybody(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Who asked within a second after the first was given the old page, and /live began as if all were well.

    The log of the run said that nothing is pushed any more, though a page asks again, and is shown all once it can be.
    """
    assert isinstance(client.place, Path)
    with closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)) as stream:
        stream.request("GET", "/live", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = stream.getresponse()
        client.place.rename(client.place.with_name("elsewhere.db"))
        answer.read()  # it ends
    for path in ("/", "/live", "/api/account", "/"):
        assert client.get(path).status == 503
        assert "there is no store" in client.get(path).json["message"]
    client.place.with_name("elsewhere.db").rename(client.place)
    (said,) = (record.getMessage() for record in caplog.records if "page" in record.getMessage())
    assert said.startswith("the page is not updated until its store can be read again: there is no store")
    while client.get("/").status == 503:  # what was wrong is told for a second
        pass
    assert tuple(events(client, 1 + len(PARTS))) == ("made", *PARTS)


def test_a_page_that_could_not_be_made_is_made_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.now()
    live.show(run_at("12:00"), at("12:00"))
    with monkeypatch.context() as patched:
        patched.setattr(live, "_made", Mock(side_effect=StoreError("the disk is gone")))
        for _ in range(2):
            with pytest.raises(StoreError):
                live.now()
    assert live.now().picture.engine == "running"


def test_a_page_that_cannot_draw_its_engine_does_not_end_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever failed in the drawing of a picture ended the run, and nobody watched what was open."""
    live = Live(client.place, client.elapsed)
    with monkeypatch.context() as patched:
        patched.setattr(pages_live, "snapshot_of_run", Mock(side_effect=KeyError("a symbol")))
        for _ in range(3):
            client.elapsed.now += 1
            live.show(run_at("12:00"), at("12:00"))
        shown = Parts(live).now()[1]
    assert "this program failed to show its engine, which continues" in shown["status"]
    assert "spy_<wbr>put_<wbr>seller" in shown["positions"]  # of the store
    assert [each.getMessage() for each in caplog.records] == ["the page cannot show its engine: KeyError"]
    client.elapsed.now += 1
    live.show(run_at("12:00"), at("12:00"))
    assert (live.now().picture.engine, live.now().picture.notice) == ("running", "")


def test_a_long_name_breaks_between_its_words(live: Live) -> None:
    """In the table of open positions it broke anywhere: calm_tape_cond, and below it `or`."""
    live.show(run_at("12:00"), at("12:00"))
    shown = Parts(live).now()[1]
    assert "<td>dte0_<wbr>condor</td>" in shown["positions"]
    assert '<a href="/bots/dte0_condor">dte0_<wbr>condor</a>' in shown["bots"]


def test_profit_by_day_is_drawn_with_its_words() -> None:
    drawn = days_svg([("2026-11-17", 100.0), ("2026-11-18", -40.0)])
    assert 'class="gain"' in drawn
    assert 'class="loss"' in drawn
    assert "60.00 dollars in all" in drawn
    assert days_svg([]) == ""


def test_profit_by_day_has_its_scale_in_dollars() -> None:
    """Its bars had no figures: a loss of $10 looked like one of $10,000."""
    drawn = days_svg([("2026-11-17", 1250.4), ("2026-11-18", -1640.0)])
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawn) == ["-$1,000", "$0", "$1,000"]
    small = days_svg([("2026-11-17", 1000.0), ("2026-11-18", -1.0)])
    assert re.findall(r"<text[^>]*>([^<]*)</text>", small) == ["$0", "$500", "$1,000"]


def test_profit_by_day_is_written_below_its_drawing(live: Live) -> None:
    """A bar told its dollars to a mouse that rested on it, and to no telephone."""
    days = Parts(live).now()[1]["days"]
    assert "<small>each trade whole, on the day it ended</small>" in days
    assert '2026-11-18 <b class="good">+$36.80</b>' in days


def test_a_day_without_profit_is_drawn_too() -> None:
    assert "<rect" in days_svg([("2026-11-17", 0.0)])


def test_the_clock_of_a_run_is_new_yorks() -> None:
    picture = snapshot_of_run(run_at("09:26"), at("09:26"))
    assert session_text(picture.session, picture.at) == "opens 09:30"
    assert isinstance(picture.at, datetime)


def test_greeks_and_the_chart_can_be_hidden(client: Client) -> None:
    shown = client.get("/").body.decode()
    for what in ("greeks", "chart"):
        assert shown.count(f'<input type="checkbox" id="hide-{what}">') == 1
        assert f"#hide-{what}:checked" in client.get("/static/page.css").body.decode()
    assert [shown.count(f'<th class="n greek">{name}</th>') for name in ("delta", "gamma", "theta", "vega")] == [1] * 4
