"""The program's own log: lines of JSON, small files, no secrets."""

import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rulebot.cli.terminal.screen import Screen, ScreenHandler, begin_log, note
from rulebot.model.errors import MisuseError, StoreError
from rulebot.narrate.happenings import EventLine, Tone
from rulebot.process import settings as log_file
from rulebot.process.settings import (
    LogConsole,
    LogFile,
    LogLimits,
    keep_address_secret,
    keep_environment_secret,
    keep_secret,
    load_settings,
    redacted,
    write_logs,
)

log = logging.getLogger("rulebot.test")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the logging of other tests as it was."""
    root, ours = logging.getLogger(), logging.getLogger("rulebot")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    root.handlers[:] = []  # so that nothing of pytest's is closed
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def begin(folder: Path, limits: LogLimits | None = None) -> Path:
    write_logs(LogFile(folder, log_file.ENGINE, limits or LogLimits()))
    return folder / log_file.ENGINE


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_message_is_a_line_with_its_time_level_and_logger(tmp_path: Path) -> None:
    path = begin(tmp_path / "new" / "logs")
    log.info("line %d of\ntwo", 1)
    log.debug("not this")
    logging.getLogger("other").info("nor this")
    logging.getLogger("other").warning("but this")
    logging.getLogger("ib_async").error("nor what our records say")
    first, second = lines(path)
    at = first.pop("at")
    assert first == {"level": "info", "logger": "rulebot.test", "text": "line 1 of\ntwo"}
    assert (len(at), at[10], at[-1]) == (24, "T", "Z")
    assert second["text"] == "but this"


def test_a_failure_has_what_led_to_it(tmp_path: Path) -> None:
    path = begin(tmp_path)
    try:
        raise ValueError("no login at postgresql://me:hush@host/db")
    except ValueError:
        log.exception("it failed")
    (line,) = lines(path)
    assert (line["level"], line["text"]) == ("error", "it failed")
    assert line["error"].startswith("Traceback")
    assert line["error"].endswith("ValueError: no login at postgresql://...@host/db")


def test_a_full_file_is_moved_away_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MEGABYTE", 1000)
    path = begin(tmp_path, LogLimits(size=1, files=3))
    for number in range(100):
        log.info("message %d", number)
    found = sorted(file.name for file in tmp_path.iterdir())
    assert found == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())
    assert lines(path)[-1]["text"] == "message 99"
    kept = [line for name in reversed(found) for line in lines(tmp_path / name)]
    assert [line["text"] for line in kept] == [f"message {number}" for number in range(100 - len(kept), 100)]


def test_what_happens_is_in_it_and_not_shown_once_more(tmp_path: Path) -> None:
    shown: list[str] = []
    path = tmp_path / log_file.ENGINE
    screen: Any = SimpleNamespace(warn=shown.append)
    write_logs(LogFile(tmp_path, log_file.ENGINE, LogLimits()), ScreenHandler(screen))
    at = datetime(2026, 11, 18, 14, 52, 25, tzinfo=UTC)
    note(EventLine(at, "dte0_condor", "filled: sold 5890/5900p at 0.55", Tone.GOOD))
    note(EventLine(at, "dte0_condor", "alarm: no quote for 60 s", Tone.ALARM))
    log.warning("the connection is lost")
    assert [(line["level"], line["text"]) for line in lines(path)] == [
        ("info", "2026-11-18 09:52:25  dte0_condor  filled: sold 5890/5900p at 0.55"),
        ("warning", "2026-11-18 09:52:25  dte0_condor  alarm: no quote for 60 s"),
        ("warning", "the connection is lost"),
    ]
    assert shown == ["the connection is lost"]


def test_what_is_below_the_level_does_not_go_into_it(tmp_path: Path) -> None:
    path = begin(tmp_path, load_settings(environ={"RULEBOT_LOG_LEVEL": "warning"}).log_limits)
    log.info("connected")
    log.warning("the connection is lost")
    assert [line["text"] for line in lines(path)] == ["the connection is lost"]
    with pytest.raises(MisuseError, match=r"one of debug, info, warning, error is required, is 'all'"):
        load_settings(environ={"RULEBOT_LOG_LEVEL": "all"})


def test_debug_lines_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    path = begin(tmp_path, load_settings(environ={"RULEBOT_LOG_LEVEL": "debug"}).log_limits)
    log.debug("asked for the contract of SPX")
    logging.getLogger("other").info("what is not ours stays out")
    assert [(line["level"], line["text"]) for line in lines(path)] == [("debug", "asked for the contract of SPX")]
    begin(tmp_path / "next")
    log.debug("no more of it")
    assert lines(tmp_path / "next" / log_file.ENGINE) == []


def test_a_browser_that_leaves_is_no_warning(tmp_path: Path) -> None:
    """It was shown as 'warning: socket.send() raised exception.' among what the bots did."""
    path = begin(tmp_path)
    logging.getLogger("asyncio").warning("socket.send() raised exception.")
    logging.getLogger("asyncio").warning("something else")
    assert [each["text"] for each in lines(path)] == ["something else"]


def test_the_file_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = StringIO()
    monkeypatch.setattr("sys.stderr", console)
    monkeypatch.setattr("rulebot.cli.terminal.screen._console", lambda: Console(file=StringIO()))
    limits = load_settings(environ={"RULEBOT_LOG_TO_FILE": "false", "RULEBOT_LOG_CONSOLE": "true"}).log_limits
    options = SimpleNamespace(log=limits, logs=tmp_path, store=tmp_path / "a.db")
    begin_log(Screen(SimpleNamespace(), options, plain=True), options)  # type: ignore[arg-type]
    log.info("connected")
    assert json.loads(console.getvalue())["text"] == "connected"
    assert list(tmp_path.iterdir()) == []


class Terminal(StringIO):
    """A standard error output that people look at."""

    def isatty(self) -> bool:
        return True


def on_console(folder: Path, monkeypatch: pytest.MonkeyPatch, stream: StringIO, level: str = "info") -> StringIO:
    """Begin a log whose lines go to this standard error output as well."""
    monkeypatch.setattr("sys.stderr", stream)
    limits = load_settings(environ={"RULEBOT_LOG_CONSOLE": "true", "RULEBOT_LOG_LEVEL": level}).log_limits
    write_logs(LogFile(folder, log_file.ENGINE, limits), LogConsole(limits))
    return stream


def test_the_console_has_the_same_lines_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_console(tmp_path, monkeypatch, StringIO(), level="warning")
    log.info("connected")
    log.warning("no login at postgresql://me:hush@host/db \u202e")
    assert console.getvalue() == (tmp_path / log_file.ENGINE).read_text(encoding="utf-8")
    (line,) = lines(tmp_path / log_file.ENGINE)
    assert line["text"] == "no login at postgresql://...@host/db \u202e"


def test_lines_of_the_log_steer_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_console(tmp_path, monkeypatch, Terminal())
    log.warning("turned \u202e around")
    assert '"turned \ufffd around"' in console.getvalue()
    assert console.getvalue().count("\n") == 1


def test_a_reader_of_the_console_that_has_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_console(tmp_path, monkeypatch, StringIO())
    console.close()
    log.warning("one")
    assert [line["text"] for line in lines(tmp_path / log_file.ENGINE)] == ["one"]


@pytest.mark.parametrize(
    ("said", "stream", "is_taken"), [("1", Terminal(), True), ("1", StringIO(), False), ("0", Terminal(), False)]
)
def test_a_terminal_that_has_the_log_has_no_table(
    said: str, stream: StringIO, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines between would tear it. The standard error output of a run with a table may go to a file."""
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("rulebot.cli.terminal.screen._console", lambda: Console(force_terminal=True, file=StringIO()))
    limits = load_settings(environ={"RULEBOT_LOG_CONSOLE": said}).log_limits
    screen = Screen(SimpleNamespace(), SimpleNamespace(log=limits), plain=False)  # type: ignore[arg-type]
    assert (screen._table is None) is is_taken


def test_a_console_is_wanted_or_not() -> None:
    assert load_settings("log_console = true").log_limits.on_console
    assert not load_settings("log_console = false").log_limits.on_console
    assert not load_settings().log_limits.on_console
    with pytest.raises(MisuseError, match=r"RULEBOT_LOG_CONSOLE: true or false is required, is 'maybe'"):
        load_settings(environ={"RULEBOT_LOG_CONSOLE": "maybe"})


def test_what_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begin(tmp_path)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, LogFile)

    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handler.stream, "write", full, raising=False)
    log.info("one")
    log.info("two")
    assert capsys.readouterr().err == f"warning: the log {path} cannot be written: No space left on device\n"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        LogFile(tmp_path / "logs", "a.jsonl", LogLimits())


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"no login at postgresql://me:{SECRET}@host:5432/db, try again",
        f"sent 'Authorization: Bearer {SECRET}' to it",
        f"Authorization: Basic {SECRET}=",
        f"Bearer {SECRET} was refused",
        f'{{"password": "{SECRET} with words"}}',
        f"password={SECRET}&user=me",
        f"RULEBOT_WEB_TOKEN={SECRET}",
        f"api-key: {SECRET}",
        f"the cookie rulebot_session={SECRET}; Path=/",
        f"https://discord.com/api/webhooks/123/{SECRET}",
        f"https://hooks.example.com/hook/{SECRET}?x=1",
        f"POST /bot123456789:AA{SECRET}{SECRET}{SECRET}x/sendMessage failed",
        f"tgram 123456789:AA{SECRET}{SECRET}{SECRET}x",
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str) -> None:
    assert SECRET not in redacted(text)
    assert "..." in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "SPX: delayed data only, never traded on; it needs Cboe index data (error 10167)",
        "no connection to 127.0.0.1:4002; tried again in 5 s",
        "page http://127.0.0.1:8080/   its token is in /home/me/runs/a-web-token",
        "order rb:s7:000017 of dte0_condor was refused: 201 Order rejected - reason: margin",
        "the position spy_put_seller-20261118-1 is on hold",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_what_is_known_as_a_secret_is_left_out_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.process.settings._known", set())
    keep_secret("a-token-of-the-page")
    keep_secret("abc")  # too short: it would blot out words
    environ = {"TWS_PASSWORD": "pass word 1", "HOME": "/home/someone", "DB_PASSWORD_FILE": "/run/secrets/db"}
    keep_environment_secret(environ)
    text = "a-token-of-the-page abc pass word 1 /home/someone /run/secrets/db"
    assert redacted(text) == "... abc ... /home/someone /run/secrets/db"


@pytest.mark.parametrize(
    ("address", "text", "shown"),
    [
        ("tgram://123:abcdef/77", "POST 123:abcdef to 77", "POST ... to 77"),
        (
            "mailto://me:pass%20word@mail.example.org",
            "mail.example.org refused pass%20word",
            "mail.example.org refused ...",
        ),
        ("discord://4711471147/a-long-webhook-token", "no 4711471147 a-long-webhook-token", "no ... ..."),
        ("ntfys://host.example/topic", "host.example/topic is down", "host.example/topic is down"),
    ],
)
def test_the_address_of_a_person_is_left_out_and_its_secret_parts(
    monkeypatch: pytest.MonkeyPatch, address: str, text: str, shown: str
) -> None:
    monkeypatch.setattr("rulebot.process.settings._known", set())
    keep_address_secret(address)
    assert redacted(f"{address} failed: {text}") == f"... failed: {shown}"


@pytest.mark.parametrize("part", ["token", "a", "a-", "http://", "token ", "1"])
def test_a_long_text_of_others_holds_up_no_engine(part: str) -> None:
    """A word of 4,000 letters took minutes: the engine writes its log in the thread that judges exits."""
    began = time.process_time()
    redacted(part * (20_000 // len(part)))
    assert time.process_time() - began < 2.0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_in_the_place_of_a_log_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(StoreError, match=r"it is no plain file|No such device"):
        LogFile(tmp_path, "a.jsonl", LogLimits())


@pytest.mark.skipif(os.name != "posix", reason="files have no such modes here")
def test_a_log_is_its_owners_alone(tmp_path: Path) -> None:
    LogFile(tmp_path / "logs", "a.jsonl", LogLimits()).close()
    assert (tmp_path / "logs" / "a.jsonl").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
