"""Cboe's delayed quotes: read from its layout, marked everywhere, refused in words when they are anything else."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from cboe_file import Reply, bytes_of, document, serving
from click.testing import CliRunner

import rulebot.adapters.cboe as fetch_module
import rulebot.doctor.examine as examine_module
import rulebot.scan.scan as delayed_module
from rulebot.adapters.cboe import VARIABLE, DelayedChain, DelayedDataError, fetch, parse, place
from rulebot.adapters.clock import WallClock
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.measure.listings import is_monthly
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.errors import MisuseError
from rulebot.model.facts import EventCalendar
from rulebot.preview.candidate import WORLD, DelayedMarketView, read_delayed, symbols_of
from rulebot.store.finance import occ_symbol
from rulebot.store.scans import rows_of, scans, scans_file

ROOT = Path(__file__).parents[3]
CONDOR = str(ROOT / "specs" / "dte0_condor.yaml")
NOW = datetime(2026, 11, 18, 15, 2, tzinfo=UTC)
"""10:02 in New York: the quotes are of 09:47, inside the condor's window."""
AT = NOW - timedelta(minutes=15)
TODAY = date(2026, 11, 18)
SPX = document("SPX", 5980.0, AT, TODAY, date(2026, 11, 19))
VIX = document("VIX", 16.8, AT)
FILES = {"_SPX": bytes_of(SPX), "_VIX": bytes_of(VIX)}


class Fixed(WallClock):
    """A wall clock that stands."""

    def now(self) -> datetime:
        return NOW


def spx(**changes: Any) -> bytes:
    """Return the file of SPX with something in `data` changed."""
    found = deepcopy(SPX)
    found["data"] |= changes
    return bytes_of(found)


def with_option(number: int, **changes: Any) -> bytes:
    found = deepcopy(SPX)
    found["data"]["options"][number] |= changes
    return bytes_of(found)


def read(raw: bytes) -> DelayedChain:
    return parse("SPX", raw, NOW)


# ---------------------------------------------------------------- read


def test_a_file_is_read_option_by_option() -> None:
    chain = read(FILES["_SPX"])
    assert (chain.symbol, chain.at, chain.unreadable) == ("SPX", AT, 0)
    assert chain.numbers["current_price"] == 5980.0
    assert len(chain.options) == 324
    reported = SPX["data"]["options"][0]
    first = chain.options[0]
    assert first.option == Option("SPX", "SPXW", TODAY, Decimal(5780), Right.CALL)
    assert (first.numbers["bid"], first.numbers["ask"]) == (reported["bid"], reported["ask"])
    assert first.numbers["delta"] == reported["delta"]


def test_what_stands_for_nothing_is_nothing() -> None:
    chain = read(with_option(0, bid=0.0, ask=0, iv=0.0, delta=-999.0, volume=0))
    numbers = chain.options[0].numbers
    assert all(isnan(numbers[name]) for name in ("bid", "ask", "iv", "delta", "gamma", "vega", "theta"))
    assert numbers["volume"] == 0.0


def test_strikes_of_a_fraction_and_classes_of_others() -> None:
    assert read(with_option(0, option="SPX261218P05982500")).options[0].option == Option(
        "SPX", "SPX", date(2026, 12, 17), Decimal("5982.5"), Right.PUT
    )
    assert len(read(with_option(0, option="XSP261118P00598000")).options) == 323
    assert len(read(with_option(0, option="SPX1261118P00598000")).options) == 323  # adjusted: left out, not unreadable


def test_options_on_a_class_of_shares_are_of_its_symbol_without_the_dot() -> None:
    found = deepcopy(document("BRK.B", 480.0, AT, TODAY))
    for row in found["data"]["options"]:
        row["option"] = row["option"].replace("BRK.B", "BRKB")
    chain = parse("BRK.B", bytes_of(found), NOW)
    assert len(chain.options) == len(found["data"]["options"])
    assert {(each.option.symbol, each.option.trading_class) for each in chain.options} == {("BRK.B", "BRKB")}
    assert {each.option.trading_class for each in chain.options} == set(product("BRK.B").classes)


@pytest.mark.parametrize(
    ("symbol", "name", "last"),
    [
        ("SPX", "SPX261218P05980000", date(2026, 12, 17)),
        ("SPX", "SPXW261218P05980000", date(2026, 12, 18)),
        ("XSP", "XSP261218P00598000", date(2026, 12, 18)),
        ("NDX", "NDX261218P21000000", date(2026, 12, 17)),
        ("NDX", "NDXP261218P21000000", date(2026, 12, 18)),
        ("RUT", "RUT261218P02300000", date(2026, 12, 17)),
        ("RUT", "RUTW261218P02300000", date(2026, 12, 18)),
        ("SPX", "SPX311219P05980000", date(2031, 12, 18)),  # beyond the calendar
    ],
)
def test_options_of_an_index_end_on_their_last_day_of_trading(symbol: str, name: str, last: date) -> None:
    """What settles at the open had the day after it, which no rule of a monthly expiry finds."""
    found = deepcopy(document(symbol, 5980.0, AT, TODAY))
    found["data"]["options"][0]["option"] = name
    chain = parse(symbol, bytes_of(found), NOW)
    option = chain.options[0].option
    assert (option.symbol, option.expiry) == (symbol, last)
    assert occ_symbol(option).replace(" ", "") == name
    assert is_monthly(option.expiry, option.trading_class)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (FILES["_SPX"][:5000], "ends in the middle, after 5,000 bytes"),
        (b"<html>busy</html>", "ends in the middle|no JSON"),
        (b"{}{}", "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[" * 100_000, "ends in the middle"),
        (b"[]", "the file is list"),
        (b'{"data": null}', "'data' is missing"),
        (b'{"data": [1]}', "'data' is list"),
        (bytes_of(VIX), "has the symbol 'VIX'"),
        (spx(symbol=None) .replace(b'"symbol": "^SPX"', b'"symbol": 7'), "has the symbol '7'"),
        (spx(options=None), "'options' is missing"),
        (spx(options={"a": 1}), "'options' is dict"),
        (spx(options=["x"] * 50), "50 of 50 options cannot be read"),
        (spx(current_price="5980"), "'current_price' is str '5980'"),
        (spx(current_price=0), "'current_price' is int '0'"),
        (spx(current_price=True), "'current_price' is bool"),
        (spx(last_trade_time=None), "'last_trade_time' is missing"),
        (spx(last_trade_time="soon"), "'last_trade_time' is str 'soon'"),
        (spx(last_trade_time="2026-11-18T12:00:00"), "118 minutes ahead of this computer's clock"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_as_a_whole(raw: bytes, words: str) -> None:
    with pytest.raises(DelayedDataError, match=words) as caught:
        read(raw)
    assert len(caught.value.message) < 250


def test_a_few_unreadable_options_are_left_out_and_counted_many_are_another_layout() -> None:
    found = deepcopy(SPX)
    for number, changes in enumerate(({"bid": "1.5"}, {"option": "SPXW26111XP05980000"}, {"delta": True})):
        found["data"]["options"][number] |= changes
    chain = read(bytes_of(found))
    assert (chain.unreadable, len(chain.options)) == (3, 321)
    for each in found["data"]["options"][:50]:
        each["ask"] = {"price": 1}
    with pytest.raises(DelayedDataError, match=r"50 of 324 options cannot be read"):
        read(bytes_of(found))


@pytest.mark.parametrize("name", ["SPXW261332P05980000", "SPXW261118P00000000", "", "nonsense"])
def test_a_name_that_is_no_option_is_unreadable(name: str) -> None:
    assert read(with_option(5, option=name)).unreadable == 1


# ---------------------------------------------------------------- fetched


def asked_of(reply: Reply) -> str:
    """Return the error that this answer leads to."""
    with serving(lambda _: reply) as (address, _), pytest.raises(DelayedDataError) as caught:
        fetch("SPX", address)
    return f"{caught.value.message}; {caught.value.help}"


def test_one_question_gets_the_file_of_an_index_or_a_stock() -> None:
    with serving(lambda name: (200, {}, name.encode())) as (address, asked):
        assert (fetch("SPX", address), fetch("SPY", address), fetch("BRK.B", address)) == (b"_SPX", b"SPY", b"BRK.B")
    assert asked == ["/options/_SPX.json", "/options/SPY.json", "/options/BRK.B.json"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((403, {}, b"no"), "SPX: Cboe refuses this machine (HTTP 403)"),
        ((404, {}, b""), "has no delayed quotes of that (HTTP 404)"),
        ((429, {"Retry-After": "120"}, b""), "asks us to wait (HTTP 429); it was asked too often: try again in 120 s"),
        ((429, {"Retry-After": "soon"}, b""), "try again in some minutes"),
        ((500, {}, b""), "Cboe failed (HTTP 500)"),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "has moved its files (HTTP 302)"),
        ((418, {}, b""), "refuses the question (HTTP 418)"),
        ((200, {"Content-Length": "999"}, b"short"), "ends in the middle, after 5 of 999 bytes"),
    ],
)
def test_each_refusal_is_said_with_what_to_do(reply: Reply, words: str) -> None:
    assert words in asked_of(reply)


def test_what_is_too_large_or_too_slow_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "MOST_BYTES", 1000)
    assert "is larger than" in asked_of((200, {}, b"x" * 2000))
    monkeypatch.undo()
    ticks = iter([0.0, 1000.0, 1000.0])
    with serving(lambda _: (200, {}, b"x")) as (address, _), pytest.raises(DelayedDataError, match="not come whole"):
        fetch("SPX", address, lambda: next(ticks))


@contextmanager
def mute() -> Iterator[int]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def hold() -> None:
            connection, _ = server.accept()
            ended.wait(20)
            connection.close()

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()


def test_silence_and_a_closed_door_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "PATIENCE", 0.05)
    with mute() as port, pytest.raises(DelayedDataError, match="has not answered for SPX"):
        fetch("SPX", f"http://127.0.0.1:{port}")
    with pytest.raises(DelayedDataError, match="cannot be reached for SPX"):
        fetch("SPX", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "address", ["http://cdn.example/x", "file:///etc", "ftp://a/b", "https://", "https://me:pw@a.example", "nonsense"]
)
def test_nothing_is_asked_in_the_clear_or_of_files(address: str) -> None:
    with pytest.raises(MisuseError, match=VARIABLE):
        place({VARIABLE: address})


def test_the_usual_place_is_cboes_own_and_another_may_be_named() -> None:
    assert place({}) == fetch_module.ADDRESS
    assert place({VARIABLE: "https://mirror.example/a/"}) == "https://mirror.example/a"


# ---------------------------------------------------------------- as rules see it


async def no_pause(_: float) -> None:
    """Wait for nothing."""


def chains(files: dict[str, bytes], *symbols: str, now: datetime = NOW) -> tuple[list[DelayedChain], list[str]]:
    def fetched(symbol: str, _: str) -> bytes:
        if symbol not in files:
            raise DelayedDataError(f"{symbol}: none")
        return files[symbol]

    return asyncio.run(read_delayed(symbols, "", now, fetched, no_pause))


def test_old_quotes_are_not_used_while_the_exchange_trades() -> None:
    files = {"SPX": FILES["_SPX"], "VIX": FILES["_VIX"]}
    found, troubles = chains(files, "SPX", "VIX", "QQQ")
    assert ([chain.symbol for chain in found], troubles) == (["SPX", "VIX"], ["QQQ: none"])
    with pytest.raises(DelayedDataError, match="are from 2026-11-18 09:47, 75 minutes old"):
        chains(files, "SPX", now=NOW + timedelta(hours=1))
    evening = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
    assert len((chains(files, "SPX", now=evening))[0]) == 1  # closed: the last quotes there are
    with pytest.raises(DelayedDataError, match="are from 2026-11-18: they are not used"):
        chains(files, "SPX", now=evening + timedelta(days=6, hours=4))


def test_nothing_at_all_is_the_first_reason() -> None:
    with pytest.raises(DelayedDataError, match="SPX: none"):
        chains({}, "SPX", "VIX")


def test_rules_see_one_instant_and_legs_are_chosen_on_it() -> None:
    desk = load_all_bots([CONDOR], {}, None)
    assert symbols_of(desk) == ["SPX", "VIX"]
    found, _ = chains({"SPX": FILES["_SPX"], "VIX": FILES["_VIX"]}, "SPX", "VIX")
    sight = DelayedMarketView(desk, EventCalendar(), found)
    assert (sight.at, sight.is_in_hours) == (AT, True)
    view = sight.view()
    assert (view.level("SPX"), view.level("VIX")) == (5980.0, pytest.approx(16.8))
    ((candidate, _),) = sight.candidates(desk)
    assert candidate.selection is not None
    assert candidate.selection.is_complete
    deltas = [abs(view.board.delta[leg.row]) for leg in candidate.selection.legs if leg.sign < 0]
    assert deltas == [pytest.approx(0.06, abs=0.01)] * 2
    assert view.board.rows[Underlying("SPX")] >= 0
    assert sight.work().records == []


# ---------------------------------------------------------------- the commands


@pytest.fixture
def at_cboe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Reply]]:
    """Serve files as Cboe does, at a fixed time; what is changed in the dictionary is served."""
    answers: dict[str, Reply] = {name: (200, {}, raw) for name, raw in FILES.items()}
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(delayed_module, "WallClock", Fixed)
    monkeypatch.setattr(examine_module, "WallClock", Fixed)
    monkeypatch.setattr("rulebot.preview.candidate.PAUSE", 0.0)
    with serving(lambda name: answers.get(name, (404, {}, b""))) as (address, _):
        monkeypatch.setenv(VARIABLE, address)
        yield answers


def scan(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["scan", "--source", "cboe", *arguments])
    assert not isinstance(found.exception, Exception) or isinstance(found.exception, SystemExit)
    return found.exit_code, found.output


def test_a_scan_says_everywhere_that_it_is_delayed(at_cboe: dict[str, Reply]) -> None:
    code, text = scan(CONDOR)
    assert code == 0
    assert text.splitlines()[0].startswith("DELAYED 15 min: Cboe's quotes as of 2026-11-18 09:47:00.")
    assert "no bot trades on them" in text
    assert "SPX (delayed)" in text
    assert "DELAYED 15 min, 2026-11-18 09:47:00: 1 structure" in text
    (kept,) = scans(scans_file(dict(os.environ)), 5)
    (row,) = rows_of(scans_file(dict(os.environ)), kept["id"])
    assert (kept["world"], row["data"], len(row["legs"])) == (WORLD, "delayed", 4)
    found = json.loads(scan(CONDOR, "--all", "--format", "json")[1])
    assert (found["scan"]["world"], found["rows"][0]["data"]) == (WORLD, "delayed")
    assert ",delayed\n" in scan(CONDOR, "--format", "csv")[1]


def test_what_is_not_in_the_files_is_unknown_with_the_reason(at_cboe: dict[str, Reply]) -> None:
    _, text = scan("--all", str(ROOT / "specs" / "put_lite.yaml"))
    assert "all conditions hold for 0 of 1" in text
    at_cboe["_VIX"] = (403, {}, b"")
    code, text = scan("--all", CONDOR)
    assert code == 0
    assert "note: VIX: Cboe refuses this machine (HTTP 403)" in text
    assert "unknown: vix" in text


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((403, {}, b""), "error: SPX: Cboe refuses this machine (HTTP 403)"),
        ((429, {}, b""), "asks us to wait"),
        ((200, {}, FILES["_SPX"][:4000]), "ends in the middle"),
        ((200, {}, FILES["_VIX"]), "has the symbol 'VIX'"),
        ((200, {}, b'{"data": {"symbol": "^SPX"}}'), "laid out otherwise"),
    ],
)
def test_a_failure_is_one_line_and_three(at_cboe: dict[str, Reply], reply: Reply, words: str) -> None:
    at_cboe["_SPX"] = reply
    del at_cboe["_VIX"]
    code, text = scan(CONDOR)
    assert (code, words in text) == (3, True), text
    assert "Traceback" not in text


@pytest.mark.parametrize("flag", [("--sim",), ("--live",), ("--gateway", "127.0.0.1:4002"), ("--lines", "5")])
def test_what_is_of_a_gateway_does_not_go_with_it(at_cboe: dict[str, Reply], flag: tuple[str, ...]) -> None:
    code, text = scan(CONDOR, *flag)
    assert (code, "with --source cboe no gateway is used" in text) == (2, True)


def checked(*arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    options = ["--gateway", "127.0.0.1:1", "--no-audit", "--format", "json"]
    found = CliRunner().invoke(main, ["doctor", *options, *arguments])
    groups: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(found.output)["checks"]:
        groups.setdefault(each["group"], []).append(each)
    return found.exit_code, groups


def test_a_check_up_without_a_gateway_chooses_legs_on_it_and_still_fails(at_cboe: dict[str, Reply]) -> None:
    code, groups = checked("--source", "cboe", CONDOR)
    assert code == 3  # no gateway answered: delayed quotes make no check of the broker pass
    found = {each["name"]: each["text"] for each in groups["delayed data"]}
    assert found["SPX"] == "DELAYED 15 min: 5,980.00 as of 2026-11-18 09:47:00, 324 options"
    assert found["dte0_condor"].startswith("DELAYED 15 min: would sell ")
    assert groups["legs"][0]["level"] == "not checked"
    assert "delayed data" not in checked(CONDOR)[1]
    at_cboe.clear()
    (failed,) = checked("--source", "cboe", CONDOR)[1]["delayed data"]
    assert (failed["level"], "HTTP 404" in failed["text"]) == ("fault", True)


def test_a_market_of_our_own_has_no_quotes_at_cboe() -> None:
    found = CliRunner().invoke(main, ["doctor", "--sim", "--source", "cboe", CONDOR])
    assert (found.exit_code, "Cboe has no quotes of it" in found.output) == (2, True)


def test_the_engine_has_no_way_to_it() -> None:
    """Nothing that runs bots imports it: only scans and check-ups do."""
    named = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "engine").rglob("*.py")
        if "adapters.cboe" in path.read_text(encoding="utf-8")
    }
    assert {name for name in named if not name.startswith("engine/rulebot/adapters/cboe/")} == {
        "engine/rulebot/preview/candidate.py",
        "engine/rulebot/scan/scan.py",
        "engine/rulebot/doctor/market_checks.py",
    }
