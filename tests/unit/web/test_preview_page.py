"""A previewed trade: a scan's row with legs, price and payoff; the button where an engine can, else the commands."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import served
from hand_desk import Desk, text_of
from hand_desk import put as spx_put
from scan_rows import kept, row, scan_of
from store_day import CONDOR, small_day
from web_client import Client

import rulebot.web.live as live_module
from rulebot.core.state.state import Named
from rulebot.model.errors import InvariantError
from rulebot.narrate.positions import ShownLeg
from rulebot.narrate.snapshot import BotActivity, BotSnapshot, Snapshot
from rulebot.scan.entry_preview import preview_now
from rulebot.scan.scan_row import document, head
from rulebot.store.journal import SqlJournal
from rulebot.store.place import DATA_VARIABLE
from rulebot.store.registry import open_store, remember_store
from rulebot.store.scans import keep, scans_file
from rulebot.web.live import Live
from rulebot.web.preview_page import next_step

PUTS = tuple(
    ShownLeg(
        name=name, side=side, symbol="SPY", trading_class="SPY", right="put", strike=strike, expiry="2026-11-20",
        ratio=1, bid=bid, ask=ask, delta=delta,
    )
    for name, side, strike, bid, ask, delta in (
        ("short_put", "sell", "575", 3.0, 3.1, -0.3), ("long_put", "buy", "570", 2.0, 2.1, -0.2),
    )
)  # fmt: skip
LIVE = Snapshot(
    at=None, engine="running", trading="active", bots=(BotSnapshot(bot="of_all", doing=BotActivity.WATCHING),)
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of our own."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def whole(**changes: object) -> Any:
    return row(
        "SPY", **{"legs": PUTS, "levels": {"SPY": 590.0}, "commission": 2.1, "mid": 1.0, "natural": 0.9} | changes
    )


def page(client: Client, path: str) -> str:
    found = client.get(path)
    assert found.status == 200, found.body
    return found.body.decode()


def test_a_row_of_a_scan_leads_to_its_preview(client: Client) -> None:
    kept(row("QQQ"), whole())
    text = page(client, "/scan")
    assert 'href="/preview/of_all?scan=1&amp;row=1"' in text
    seen = page(client, "/preview/of_all?scan=1&row=1")
    for words in ("SPY 575 put", "3.00", "3.10", "3.050", "$105.00", "$103<", "$397<", "573.97", "2026-11-20"):
        assert words in seen, words
    assert "max profit $103, max loss $397, break-even 573.97" in seen
    assert "<style" not in seen  # the policy lets none be
    assert "no engine runs on this store" in seen
    assert "rulebot serve --paper --sim of_all.yaml" in seen
    assert 'data-action="/api/trade/trigger"' not in seen


def test_without_a_number_the_best_row_of_the_last_scan_is_meant(client: Client) -> None:
    kept(whole(structure="1/2p"))
    kept(whole(price=2.0), whole(price=1.5))
    assert "$200.00" in page(client, "/preview/of_all")


def test_the_next_command_names_the_file_of_this_bot(client: Client) -> None:
    """It named the first file of the scan with the bot's name anywhere in its path."""
    found = scan_of(whole(), bots={"of_all_lite": "of_all/of_all_lite.yaml", "of_all": "of_all/of_all.yaml"})
    keep(scans_file(), head(found), [document(each) for each in found.rows])
    text = page(client, "/preview/of_all")
    assert "rulebot serve --paper --sim of_all/of_all.yaml" in text
    assert "of_all_lite" not in text


def test_a_row_that_the_last_scan_lacks_is_reported_of_it(client: Client) -> None:
    kept(whole())
    assert b"the last scan keeps no row 7 of of_all" in client.get("/api/preview/of_all?row=7").body


@pytest.mark.parametrize("query", ["scan=9", "scan=9&row=0"])
def test_a_scan_that_is_gone_is_reported(client: Client, query: str) -> None:
    """Without a number what the engine sees, or nothing, stood there as if it were of that scan."""
    kept(whole())
    for bot in ("of_all", CONDOR):
        found = client.get(f"/api/preview/{bot}?{query}")
        assert found.status == client.get(f"/preview/{bot}?{query}").status == 404
        assert found.json["message"] == "scan 9 is not kept: the newest 2,000 are"
        assert "'rulebot scan'" in found.json["help"]


def test_a_scan_without_this_bot_is_reported(client: Client) -> None:
    kept(whole())
    assert client.get(f"/preview/{CONDOR}").status == 200
    for path in ("preview", "api/preview"):
        found = client.get(f"/{path}/{CONDOR}?scan=1")
        assert found.status == 404
        assert f"scan 1 keeps no row of {CONDOR}".encode() in found.body


def test_delayed_quotes_are_marked(client: Client) -> None:
    kept(whole(data="delayed"))
    assert "DELAYED" in page(client, "/preview/of_all?scan=1&row=0")
    kept(whole())
    assert "DELAYED" not in page(client, "/preview/of_all?scan=2&row=0")


def test_a_row_without_legs_says_why(client: Client) -> None:
    kept(row("SPY", structure="", holds=None, why="no legs: SPY: no options listed", price=None))
    text = page(client, "/preview/of_all?scan=1&row=0")
    assert "No legs are known: no legs: SPY: no options listed" in text
    assert "At expiry" not in text


def test_a_bot_of_the_store_without_a_scan_has_its_next_command(client: Client) -> None:
    text = page(client, f"/preview/{CONDOR}")
    assert "No legs are known" in text
    assert "rulebot serve --paper" in text


def test_the_next_command_of_a_simulated_run_is_simulated_too(tmp_path: Path) -> None:
    """It named the paper account's gateway."""
    started, *others = small_day()
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([replace(started, data={**started.data, "simulated": True}), *others], durable=True)
    journal.close()
    with served(tmp_path / "a.db") as client:
        assert "rulebot serve --paper --sim" in page(client, f"/preview/{CONDOR}")


@pytest.mark.parametrize("path", ["/preview/nobody", "/preview/of_all?scan=9&row=0", "/preview/of_all?scan=1&row=5"])
def test_what_is_not_kept_is_not_found(client: Client, path: str) -> None:
    kept(whole())
    assert client.get(path).status == 404


def test_a_row_of_another_bot_is_not_shown_under_this_name(client: Client) -> None:
    kept(whole())
    assert client.get(f"/preview/{CONDOR}?scan=1&row=0").status == 404
    assert client.get("/preview/of_all?scan=1&row=-1").status == 422


def test_words_from_elsewhere_are_harmless(client: Client) -> None:
    kept(whole(why="<b>torn</b>", holds=False, alternative="<i>x</i>"))
    text = page(client, "/preview/of_all?scan=1&row=0")
    assert "<b>torn" not in text
    assert "<i>x" not in text


# ---------------------------------------------------------------- the way in


def seen() -> Any:
    desk = Desk((text_of(entry='{window: {from: "12:00", to: "13:00"}}'),))
    desk.until("10:00")
    return preview_now(desk.program, desk.state, desk.now, "spread")


def test_the_button_says_what_would_be_entered() -> None:
    way = next_step("of_all", seen(), LIVE, "a.yaml", DAY, is_simulated=False)
    assert "of_all enters at once" in way.ask
    assert "1 x 5935/5945p for a credit of" in way.ask
    assert "max loss $" in way.ask
    assert way.commands == ()


def named_of_desk(short: int, long: int) -> Any:
    desk = Desk((text_of(entry='{window: {from: "12:00", to: "13:00"}}'),))
    desk.until("10:00")
    named = Named((("short_put", spx_put(short)), ("long_put", spx_put(long))))
    return preview_now(desk.program, desk.state, desk.now, "spread", "", named)


def test_the_engine_previews_the_structure_of_a_row_and_not_its_own_choice() -> None:
    found = named_of_desk(5960, 5950)
    assert (found.structure, found.would_send) == ("5950/5960p", True)
    assert seen().structure == "5935/5945p"
    way = next_step("of_all", found, LIVE, "a.yaml", DAY, is_simulated=False, is_of_row=True)
    assert "of_all enters SPX 5950/5960p 2026-11-18 at once, and no other structure" in way.ask
    assert "Its price is chosen again when it is sent" in way.ask


def test_options_that_are_not_streamed_yet_leave_the_answer_open() -> None:
    found = named_of_desk(5890, 5880)
    assert (found.would_send, found.price) == (None, None)
    assert found.answer == "SPXW 2026-11-18 5890P: not streamed"


def test_a_row_that_the_text_could_not_choose_says_why() -> None:
    found = named_of_desk(5962, 5950)
    assert (found.would_send, found.legs) == (False, ())
    assert "is not listed" in found.answer


def test_a_row_of_a_universe_has_a_button_and_one_of_another_market_has_none() -> None:
    picture = doing("open", has_universe=True, waits="SPY")
    assert next_step("of_all", seen(), picture, "a.yaml", DAY, is_simulated=False, is_of_row=True).ask
    other = next_step("of_all", seen(), picture, "a.yaml", DAY, is_simulated=True, is_of_row=True)
    assert other.why == "the scan comes from the simulated market, and the engine trades on a real market"
    assert other.commands == ("rulebot scan a.yaml",)


def doing(word: str, **more: Any) -> Snapshot:
    return replace(LIVE, bots=(BotSnapshot(bot="of_all", doing=BotActivity(word), **more),))


DAY = Path("runs/day.db")
SERVE = "rulebot serve --paper --sim a.yaml"
RESUME, WHY = f"rulebot resume --store {DAY}", f"rulebot why of_all --store {DAY}"
"""The store of the page is named where it is not the one that the command would read."""


@pytest.mark.parametrize(
    ("picture", "words", "command"),
    [
        (replace(LIVE, engine="stopped"), "no engine runs on this store", SERVE),
        (replace(LIVE, bots=()), "no engine runs of_all", SERVE),
        (replace(LIVE, trading="reducing"), "let enter nothing now", RESUME),
        (doing("flat", is_paused=True), "let enter nothing", f"rulebot resume of_all --store {DAY}"),
        (doing("open", waits="target"), "is open now", WHY),
        (doing("halted", waits="a fill was deleted"), "is halted now", WHY),
        (doing("flat", has_universe=True), "chooses among", WHY),
    ],
)
def test_without_a_button_the_next_command_is_named(picture: Snapshot, words: str, command: str) -> None:
    way = next_step("of_all", None, picture, "a.yaml", DAY, is_simulated=True)
    assert way.ask == ""
    assert words in way.why
    assert command in way.commands


def test_the_store_that_a_command_reads_anyway_is_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    day = tmp_path / "day.db"
    day.touch()
    remember_store(day)
    way = next_step("of_all", None, doing("open", waits="target"), "a.yaml", day, is_simulated=True)
    assert way.commands == ("rulebot why of_all",)


# ---------------------------------------------------------------- the engine answers in its own thread


def engine_of(desk: Desk) -> Any:
    return SimpleNamespace(loop=SimpleNamespace(program=desk.program, state=desk.state))


def shown_by(live: Live, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "snapshot_of_run", lambda run, at: LIVE)
    live.show(engine_of(desk), desk.now)


def asked(live: Live, desk: Desk, name: str) -> Any:
    """Ask from another thread, as the server does, and let the engine end batches until there is an answer."""
    with ThreadPoolExecutor(1) as server:
        answer = server.submit(live.preview, name)
        while not answer.done():
            live.show(engine_of(desk), desk.now)
        return answer.result()


def test_the_engine_answers_between_two_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, live = Desk((text_of(),), at="10:00"), Live(tmp_path / "a.db")
    assert live.preview("spread") is None  # no engine has shown itself
    shown_by(live, desk, monkeypatch)
    found = asked(live, desk, "spread")
    assert found == preview_now(desk.program, desk.state, desk.now, "spread")
    assert asked(live, desk, "nobody") is None


def test_an_engine_that_is_gone_or_silent_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, live = Desk((text_of(),), at="10:00"), Live(tmp_path / "a.db")
    shown_by(live, desk, monkeypatch)
    monkeypatch.setattr(live_module, "PREVIEW_PATIENCE", 0.01)
    assert live.preview("spread") is None
    live.show(engine_of(desk), desk.now)  # the question nobody waits for any more
    monkeypatch.setattr(live_module, "PREVIEW_PATIENCE", 20.0)
    ending = threading.Timer(0.05, live.end)
    ending.start()
    assert live.preview("spread") is None
    ending.join()


def test_a_preview_that_fails_does_not_touch_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, live = Desk((text_of(),), at="10:00"), Live(tmp_path / "a.db")
    shown_by(live, desk, monkeypatch)

    def incomplete(*_: object) -> None:
        raise InvariantError("torn")

    monkeypatch.setattr(live_module, "preview_now", incomplete)
    with pytest.raises(InvariantError):
        asked(live, desk, "spread")


# ---------------------------------------------------------------- over REST


def test_rest_gives_the_same_numbers(client: Client) -> None:
    kept(row("QQQ"), whole())
    found = client.get("/api/preview/of_all?scan=1&row=1").json
    assert (found["structure"], found["price"], found["quantity"]) == ("570/575p", 1.05, 1)
    assert (found["best"], found["worst"], found["break_evens"]) == (102.9, -397.1, [573.97])
    assert [(leg["bid"], leg["ask"]) for leg in found["legs"]] == [(3.0, 3.1), (2.0, 2.1)]
    assert (found["would_send"], found["is_delayed"], found["at"]) == (None, False, "2026-10-21 10:30:18")


@pytest.mark.parametrize("path", ["nobody", "of_all?scan=9&row=0", "of_all?scan=1&row=5", f"{CONDOR}?scan=1&row=0"])
def test_rest_knows_no_other_row(client: Client, path: str) -> None:
    kept(whole())
    assert client.get(f"/api/preview/{path}").status == 404


def test_rest_names_the_next_command_of_a_bot_that_nobody_runs(client: Client) -> None:
    """It said that nobody knows the bot, which had run on this store, and no help."""
    found = client.get(f"/api/preview/{CONDOR}")
    assert found.status == 404
    assert found.json["message"].endswith("no row of the last scan, and no engine runs on this store")
    assert "'rulebot serve --paper " in found.json["help"]


def test_a_number_that_no_file_could_hold_is_refused(client: Client) -> None:
    assert client.get(f"/api/preview/of_all?scan={10**30}&row=0").status == 422
    assert client.get(f"/preview/of_all?scan=1&row={10**30}").status == 422
