"""Numbers of a text edited in their places: comments, layout, quotes and line ends stay, and nothing else changes."""

from pathlib import Path

import pytest

from rulebot.spec.edit import EditError, edited, numbers_of
from rulebot.spec.load import load_text
from rulebot.spec.yaml import read_source

ROOT = Path(__file__).parents[3]
FILES = sorted(
    file
    for folder in ("specs", "examples")
    for file in (ROOT / folder).glob("*.yaml")
    if "legs:" in file.read_text(encoding="utf-8")
)
TEXT = b"""# What a person wrote: it stays.
rulebot: 1
name: bot_2
about: Sells 2 puts.
underlying: SPX
parameters: {delta: 0.10, wing: 10 pts}   # $wing is read below
entry:
  window: {from: "10:30", to: 'close - 1h'}
  per_day: 1
  when:
    - vix: {between: [12, 22]}   # calm
    - spot: {above: sma_20}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: $delta, within: 0.02}}
  long_put:  {buy: put,  strike: {below: short_put, by: $wing}}
  require:
    - credit: {at_least: 0.50}
exits:
  - time: "15:30"
  - target: {profit: 50%}
  - stop: {cost: 2x credit}
    confirm: 2 quotes
risk: {max_loss_per_trade: $1000, daily_loss: $1500}
"""


def paths(content: bytes = TEXT) -> dict[str, tuple[str, int]]:
    return {each.path: (each.text, each.line) for each in numbers_of(read_source(content, "bot_2.yaml"))}


def change(path: str, value: str, content: bytes = TEXT) -> bytes:
    return edited(content, "bot_2.yaml", {path: value})


def test_every_number_is_listed_with_its_line_and_no_name_is() -> None:
    assert paths() == {
        "parameters.delta": ("0.10", 6),
        "parameters.wing": ("10 pts", 6),
        "entry.window.from": ("10:30", 8),
        "entry.window.to": ("close - 1h", 8),
        "entry.per_day": ("1", 9),
        "entry.when[0].vix.between[0]": ("12", 11),
        "entry.when[0].vix.between[1]": ("22", 11),
        "legs.expiry.dte": ("0", 14),
        "legs.short_put.strike.within": ("0.02", 15),
        "legs.require[0].credit.at_least": ("0.50", 18),
        "exits[0].time": ("15:30", 20),
        "exits[1].target.profit": ("50%", 21),
        "exits[2].stop.cost": ("2x credit", 22),
        "exits[2].confirm": ("2 quotes", 23),
        "risk.max_loss_per_trade": ("$1000", 24),
        "risk.daily_loss": ("$1500", 24),
    }


@pytest.mark.parametrize(
    ("path", "value", "was", "now"),
    [
        ("parameters.delta", "0.125", b"{delta: 0.10, wing", b"{delta: 0.125, wing"),
        ("entry.window.from", "9:45", b'from: "10:30"', b'from: "9:45"'),
        ("entry.window.to", "close - 30m", b"'close - 1h'", b"'close - 30m'"),
        ("entry.when[0].vix.between[1]", "25", b"[12, 22]}   # calm", b"[12, 25]}   # calm"),
        ("exits[1].target.profit", "60%", b"profit: 50%", b"profit: 60%"),
        ("exits[2].stop.cost", "3x credit", b"2x credit", b"3x credit"),
        ("risk.max_loss_per_trade", "$2000", b"$1000,", b"$2000,"),
        ("legs.expiry.dte", "a: b", b"dte: 0", b'dte: "a: b"'),
    ],
)
def test_one_number_changes_in_its_place_and_all_else_stays(path: str, value: str, was: bytes, now: bytes) -> None:
    assert change(path, value) == TEXT.replace(was, now)


def test_several_numbers_of_one_line_change_at_once() -> None:
    found = edited(TEXT, "a.yaml", {"entry.when[0].vix.between[0]": "9.5", "entry.when[0].vix.between[1]": "30"})
    assert found == TEXT.replace(b"[12, 22]", b"[9.5, 30]")


def test_what_reads_a_parameter_continues_reading_it() -> None:
    content = (ROOT / "specs" / "dte0_condor.yaml").read_bytes()
    after = edited(content, "dte0_condor.yaml", {"parameters.wing": "15 pts"}).decode()
    loaded = load_text(after, "dte0_condor.yaml")
    assert "by: $wing" in after
    assert loaded.spec is not None
    assert {each.name: each.text for each in loaded.spec.parameters}["wing"] == "15 pts"


@pytest.mark.parametrize("path", ["about", "rulebot", "name", "legs.short_put.strike.delta", "entry.when[9].vix", ""])
def test_what_is_no_number_of_the_text_cannot_be_edited(path: str) -> None:
    with pytest.raises(EditError, match="has no number at"):
        change(path, "5")


@pytest.mark.parametrize("value", ["", "  ", "5\n- 6", "x" * 201, "5\x00"])
def test_a_value_is_one_line(value: str) -> None:
    with pytest.raises(EditError, match="in one line"):
        change("entry.per_day", value)


@pytest.mark.parametrize("value", ["5 # more", "5, to: 3", "[1, 2]", "{a: 1}", "&x 5", "*x", "!!int 5", "5}"])
def test_a_value_never_adds_to_the_text(value: str) -> None:
    """It stands in quotes, and so is one text, which its place refuses."""
    found = read_source(change("parameters.delta", value), "bot_2.yaml")
    assert isinstance(found.tree, dict)
    assert found.tree["parameters"] == {"delta": value, "wing": "10 pts"}


def test_line_ends_and_the_mark_at_the_beginning_stay() -> None:
    windows = b"\xef\xbb\xbf" + TEXT.replace(b"\n", b"\r\n")
    found = change("entry.per_day", "3", windows)
    assert found == windows.replace(b"per_day: 1", b"per_day: 3")


def test_an_anchor_is_refused_whatever_is_edited() -> None:
    """So no edit changes what stands elsewhere."""
    shared = TEXT.replace(b"per_day: 1", b"per_day: &one 1").replace(b"dte: 0}", b"dte: *one}")
    found = load_text(change("exits[1].target.profit", "60%", shared).decode(), "bot_2.yaml")
    assert "RB107" in [each.code for each in found.diagnostics]
    with pytest.raises(EditError):
        change("legs.expiry.dte", "1", shared)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_each_number_of_each_shipped_spec_can_be_written_again(file: Path) -> None:
    content = file.read_bytes()
    lines = numbers_of(read_source(content, str(file)))
    assert lines
    as_it_is = {each.path: each.text for each in lines if not each.path.endswith("expr")}
    assert edited(content, str(file), as_it_is) == content
    for each in lines:
        if each.path not in as_it_is:  # an expression gets quotes where it needs them
            numbers_of(read_source(edited(content, str(file), {each.path: each.text}), str(file)))
        other = edited(content, str(file), {each.path: "7 pts"})
        assert other.decode().count("\n") == content.decode().count("\n")
        found = {one.path: one.text for one in numbers_of(read_source(other, str(file)))}
        assert found == {one.path: one.text for one in lines} | {each.path: "7 pts"}
