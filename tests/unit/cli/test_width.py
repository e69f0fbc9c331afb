"""Lines as wide as the terminal: broken between words, and as they are where no terminal is."""

import json
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from scan_rows import row
from store_day import small_day

from rulebot.cli.main import as_it_fits, main
from rulebot.cli.output import LEAST, echo, fitted, hung, prose_width, table, terminal_width
from rulebot.cli.past.scan import symbol_lines
from rulebot.cli.past.sweep import sweep_lines
from rulebot.cli.status import _position_lines
from rulebot.cli.summary import NOTHING, _reported, tables
from rulebot.scan.scan_row import document
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import OBSERVE
from rulebot.store.registry import open_store
from rulebot.sweep.parameters import axis
from rulebot.sweep.sweep import variant_of
from rulebot.sweep.variant import Variant

SPECS = Path(__file__).parents[3] / "specs"


class Terminal:
    def isatty(self) -> bool:
        return True


def test_where_no_terminal_is_lines_stay_as_they_are() -> None:
    assert terminal_width() is None
    assert prose_width(120) == 120
    assert fitted("word " * 100) == ["word " * 100]


def test_a_terminal_says_how_wide_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "90")
    assert (terminal_width(), prose_width(120), prose_width(80)) == (90, 90, 80)
    assert [len(line) <= 90 for line in fitted("word " * 30)] == [True, True]
    monkeypatch.setenv("COLUMNS", "20")
    assert prose_width(120) == LEAST


def test_what_was_typed_wrongly_is_said_between_words_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal broke it anywhere: known are dte0_condor, put_, and `lite` below it."""
    monkeypatch.setattr("rulebot.cli.main.sys.stderr", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("COLUMNS", "80")
    reported = "no bot 'nobody' in live.db; known are calm_tape_condor, dte0_condor, put_lite"
    assert as_it_fits(reported) == reported.replace(" put_lite", "\n  put_lite")
    assert as_it_fits(f"as short as this\n{reported}") == f"as short as this\n{reported}"
    monkeypatch.setattr("rulebot.cli.main.sys.stderr", SimpleNamespace(isatty=lambda: False))
    assert as_it_fits(reported) == reported


@pytest.mark.parametrize(
    "words",
    [("explain", "calm_tape_condor"), ("explain", "monthly_condor"), ("diff", "put_lite", "dte0_condor")],
)
def test_what_is_read_fits_the_terminal(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 80)
    command, *names = words
    files = [str(SPECS / f"{name}.yaml") for name in names]
    narrow = CliRunner().invoke(main, [command, *files]).output
    monkeypatch.undo()
    whole = CliRunner().invoke(main, [command, *files]).output
    wide = [line for line in narrow.splitlines() if len(line) > 80 and "─" not in line]
    assert (wide, max(map(len, whole.splitlines())) > 100) == ([], True)
    assert narrow.split() == whole.split()


def test_bots_and_positions_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rulebot.cli.status.terminal_width", lambda: 60)
    shown = CliRunner().invoke(main, ["list", str(SPECS / "put_lite.yaml")]).output
    assert shown.startswith(" bot       state    file\n put_lite  stopped  "), shown
    assert " not in 60 columns: spec, mode, last activity; --format json has all\n" in shown
    monkeypatch.setattr("rulebot.cli.status.terminal_width", lambda: 90)
    [head, row, lacking] = _position_lines([POSITION])
    names = ["bot", "position", "P/L", "protection", "at", "the", "broker", "resting", "target"]
    assert head.split() == names
    assert (row.split()[-4:], max(len(head), len(row)) <= 90) == (["stop", "14.16", "target", "1.89"], True)
    assert lacking == " not in 90 columns: since, at, mark, entry, state; --format json has all"


def test_a_resting_target_is_no_protection() -> None:
    head, row, *_ = _position_lines([{**POSITION, "protection": []}])
    assert head.index("resting target") > head.index("protection at the broker")
    assert row.split()[-3:] == ["none", "target", "1.89"]


POSITION = {
    "bot": "calm_tape_condor",
    "structure": "5920/5930p 6005/6015c",
    "state": "open",
    "entry_time": "2026-10-21 10:30:25",
    "entry_price": 1.65,
    "mark": 1.57,
    "mark_time": "2026-10-21 15:59:00",
    "unrealized_pnl": 2.38,
    "protection": [
        {"reason": "stop", "purpose": "stop", "limit_price": None, "stop_price": 14.16, "state": "working"},
    ],
    "resting_targets": [
        {"reason": "target", "purpose": "target", "limit_price": 1.89, "stop_price": None, "state": "working"},
    ],
}
ROWS = (
    ("", "trades", "net", "price"),
    ("condor", "12", "+$1,234.50", "0.95"),
    ("by exit",),
    ("  stop", "3", "-$9.00", "1.10"),
)
RIGHT = frozenset((1, 2, 3))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (None, [" condor       12  +$1,234.50   0.95", " by exit"]),
        (35, [" condor       12  +$1,234.50   0.95", " by exit"]),
        (34, [" condor   +$1,234.50   0.95", " by exit", " not in 34 columns: trades; --format json has all"]),
        (20, [" condor   +$1,234.50", " by exit", " not in 20 columns: trades, price; --format json has all"]),
    ],
)
def test_a_table_leaves_out_columns_until_it_fits_and_says_which(width: int | None, expected: list[str]) -> None:
    lines = table(ROWS, width, (1, 3), right=RIGHT, whole="--format json")
    assert [lines[1], lines[2], *lines[4:]] == expected


def test_a_sweep_names_its_places_shortly_before_it_leaves_out_figures() -> None:
    axes = [
        axis("legs.short_put.strike.delta=0.10,0.12"),
        axis("exits.target.profit=40,50"),
        axis("exits.stop.net=1,2"),
    ]
    sums = {"trades": 1234, "wins": 1000, "net": -12345.67, "expectancy": -10.01, "win_rate": 0.81, "sharpe": -0.5}
    found = [Variant(number=1, point=("0.10", "40", "1"), profits=(1.0,) * 40, max_drawdown=23456.78, **sums)]  # type: ignore[arg-type]

    def lines(width: int | None, by: str = "net") -> list[str]:
        return list(sweep_lines(found, axes, None, by, 20, width))

    whole, wide, narrow = lines(None), lines(110), lines(80)
    assert whole[0].split()[:3] == [each.name for each in axes]
    assert wide[0].split()[:3] == ["delta", "profit", "exits.stop.net"], "the last one would be called as a figure is"
    assert wide[2:4] == [" delta: legs.short_put.strike.delta", " profit: exits.target.profit"]
    assert [len(each) <= 80 for each in narrow] == [True] * len(narrow)
    assert narrow[2] == " not in 80 columns: average, won, drawdown; --format json has all"
    assert "average" in lines(80, "expectancy")[0], "it is what they are sorted by"


def test_a_sweep_says_why_it_went_turn_by_turn() -> None:
    axes, why = [axis("legs.short_put.strike.delta=0.10")], "its sessions are not apart, for a cap of the week"
    slow = Variant(number=0, point=("0.10",), profits=(1.0, 2.0), by_turns=why)
    some = replace(slow, by_turns="", by_arrays=1)
    assert f" all turn by turn: {why}" in sweep_lines([slow], axes, None, "net", 20)
    assert " 1 of 2 sessions by arrays, the others turn by turn" in sweep_lines([some], axes, None, "net", 20)


def test_a_sweep_says_how_many_sessions_what_kept_from_arrays() -> None:
    axes, why = [axis("legs.short_put.strike.delta=0.10,0.12,0.14")], "stop: its order works on while the market moves"
    many = tuple((f"reason {number}", 1) for number in range(8))
    found = [
        Variant(number=0, point=("0.10",), profits=(1.0,) * 4, by_arrays=3, unclear=((why, 1),)),
        Variant(number=1, point=("0.12",), profits=(1.0,) * 4, by_turns="entry has an order with `pause`"),
    ]
    assert list(sweep_lines(found, axes, None, "net", 20))[4:] == [
        " 3 of 8 sessions by arrays, the others turn by turn",
        "   4: entry has an order with `pause`",
        f"   1: {why}",
        " variants by arrays are many times as fast: docs/backtest.md",
        " none of them ever traded: 'rulebot backtest' on these sessions says what kept the bot out",
    ]
    unclear = Variant(number=2, point=("0.14",), profits=(1.0,) * 8, unclear=many)
    lines = list(sweep_lines([unclear], axes, None, "net", 20))
    assert " 0 of 8 sessions by arrays, the others turn by turn" in lines
    assert "   2: 2 other reasons, in --format json" in lines
    known = variant_of(json.loads(json.dumps(asdict(unclear))))
    assert known.unclear == many


def test_a_sweep_says_where_the_variants_are_that_its_table_leaves_out() -> None:
    axes = [axis("legs.short_put.strike.delta=0.10,0.12")]
    found = [Variant(number=number, point=(f"{number}",), profits=(1.0,)) for number in range(25)]
    lines = list(sweep_lines(found, axes, None, "net", 20))
    assert lines[21:23] == [
        " 25 of 25 variants, 1 session, by net",
        " shown are the first 20: --top 25 shows all, --format json has them too",
    ]
    assert not [line for line in sweep_lines(found, axes, None, "net", 25) if "shown are" in line]


def test_sums_of_many_bots_are_tables_that_fit() -> None:
    found = {f"a_bot_with_a_name_{number}": NOTHING for number in range(8)}
    (whole,) = tables(found, None)
    parts = list(tables(found, 80))
    assert len(parts) > 1
    assert max(len(line) for part in parts for line in part) <= 80 < len(whole[0])
    assert [name for part in parts for name in part[0].split()] == list(found)
    assert [each[0].split() for each in tables(found, 10)] == [[name] for name in found]


def test_what_goes_over_hangs_below_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "net liquidation 1,000,000.00 USD, and what else there is to be said of an account"
    assert hung("  ok  account  ", text, shown="  OK  account  ") == "  OK  account  " + text
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "70")
    assert hung("  ok  account  ", text, shown="  OK  account  ").split("\n") == [
        "  OK  account  net liquidation 1,000,000.00 USD, and what else there",
        "               is to be said of an account",
    ]
    assert hung("    ", "short") == "    short"


def test_what_is_refused_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.cli.output.error_width", lambda: 70)
    words = ("backtest", str(SPECS / "put_lite.yaml"), "--data", "nowhere")
    narrow = CliRunner().invoke(main, words).stderr
    monkeypatch.undo()
    whole = CliRunner().invoke(main, words).stderr
    assert (max(map(len, narrow.splitlines())) <= 70, max(map(len, whole.splitlines())) > 100) == (True, True)
    assert narrow.split() == whole.split()


@pytest.mark.parametrize("words", [("why", "dte0_condor"), ("summary",), ("summary", "--by", "month")])
def test_what_a_store_is_fits_the_terminal(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nothing was sent stood behind its name on one line, which the terminal broke within a word."""
    started, *others = small_day()
    settings = {"mode": OBSERVE, "shadow_of": "desk.db", "fills": "natural"}
    monkeypatch.chdir(tmp_path)
    with closing(SqlJournal(open_store(Path("s.db")))) as journal:
        journal.append([replace(started, data={**started.data, "settings": settings}), *others], durable=True)
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 80)
    lines = CliRunner().invoke(main, [*words, "--store", "s.db"]).output.splitlines()
    assert lines[-1].endswith("by a model (natural)")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("words", [("hooks", "secret"), ("pause", "dte0_condor"), ("events", "import", "none.json")])
def test_what_is_said_in_sentences_fits_the_terminal(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "d"))
    monkeypatch.chdir(tmp_path)
    with closing(SqlJournal(open_store(Path("s.db")))) as journal:
        journal.append(small_day(), durable=True)
    Path("none.json").write_text("[]")
    said = [*words, "--store", "s.db"] if words[0] == "pause" else [*words]
    whole = CliRunner().invoke(main, said).output
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 40)
    monkeypatch.setattr("rulebot.cli.output.error_width", lambda: 40)
    narrow = CliRunner().invoke(main, said).output
    assert narrow.split() == whole.split()
    assert len(narrow.splitlines()) > len(whole.splitlines())


def test_a_problem_of_a_spec_fits_the_terminal_but_for_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal broke its words; what marks the place has to stand below the line as it is in the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    text = (SPECS / "put_lite.yaml").read_text(encoding="utf-8").replace("vix_change", "vix_chnage")
    Path("put_lite.yaml").write_text(text, encoding="utf-8")
    head, line, caret, *more = CliRunner().invoke(main, ["validate", "put_lite.yaml"]).output.splitlines()
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 30)
    narrow = CliRunner().invoke(main, ["validate", "put_lite.yaml"]).output.splitlines()
    at = narrow.index(line)
    assert (" ".join(map(str.strip, narrow[:at])), narrow[at + 1]) == (head, caret)
    assert max(len(each) for place, each in enumerate(narrow[:at] + narrow[at + 2 :])) <= 32 < len(head)
    assert " ".join(narrow[at + 2 :]).split() == " ".join(more).split()


def test_several_lines_are_fitted_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 10)
    echo("one two three\n four five six")
    assert capsys.readouterr().out == "one two\n  three\n four five\n   six\n"


def test_earlier_rows_of_a_symbol_have_the_columns_that_one_of_them_knows() -> None:
    """Three heads without anything below them stood there, and ran past 80 columns."""
    earlier = {"at": "2026-10-21T14:30:18.000000Z", "world": "simulated"}
    bare = {**document(row("SPY", by="", value=None, why="")), **earlier}
    assert symbol_lines([bare])[0].endswith("prob  ror")
    assert symbol_lines([bare, {**document(row("SPY", why="move -2%")), **earlier}])[0].split()[-3:] == [
        "by",
        "value",
        "lacks",
    ]


def test_a_sentence_stands_below_its_row_where_there_is_no_room_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("at", "rule", "because"), ("10:30", "target", "the shadow's: -9.1% at least 50%: 59.1% too little")]
    assert list(_reported(rows)) == [
        "   at     rule    because",
        "   10:30  target  the shadow's: -9.1% at least 50%: 59.1% too little",
    ]
    monkeypatch.setattr("rulebot.cli.summary.terminal_width", lambda: 60)
    assert list(_reported(rows)) == [
        "   at     rule",
        "   10:30  target",
        "     the shadow's: -9.1% at least 50%: 59.1% too little",
    ]


def test_a_sweep_says_where_positions_count_that_are_open_at_the_end() -> None:
    axes = [axis("legs.short_put.strike.delta=0.10,0.12")]
    found = [Variant(number=n, point=(f"{n}",), profits=(1.0, 2.0), still_open=2 * n) for n in (0, 1)]
    words = " 1 of 2 variants holds positions at the end: by their mids in drawdown and Sharpe, and in no net"
    assert words in sweep_lines(found, axes, None, "net", 20)
    assert not [line for line in sweep_lines(found[:1], axes, None, "net", 20) if "at the end" in line]


def test_a_sweep_says_where_shares_count_that_trades_ended_in() -> None:
    axes = [axis("legs.short_put.strike.delta=0.10,0.12")]
    found = [Variant(number=n, point=(f"{n}",), profits=(1.0, 2.0), in_shares=2 * n) for n in (0, 1)]
    words = " 1 of 2 variants has trades that ended in shares: what the shares made after the settlement"
    words += " is in drawdown and Sharpe, and in no net"
    assert words in sweep_lines(found, axes, None, "net", 20)
    assert not [line for line in sweep_lines(found[:1], axes, None, "net", 20) if "in shares" in line]
