"""Whatever a file holds, reading it ends soon, with a place in the file and no exception."""

import re
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.compile.build import check
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.model.facts import EventCalendar
from rulebot.model.session import half_days
from rulebot.spec.diagnostic import as_json, render
from rulebot.spec.files import shipped
from rulebot.spec.load import Loaded, governing_text, load
from rulebot.spec.yaml import read_source

EXAMPLES = Path(__file__).parents[2] / "examples"
SPECS = [file.read_bytes() for file in sorted(shipped("specs").glob("*.yaml"))]
SOUND = [*SPECS, *(file.read_bytes() for file in sorted(EXAMPLES.glob("[b-z]*.yaml")))]
NUMBERS = [b"0", b"0.01", b"0.5", b"1", b"2", b"7", b"30", b"100", b"1000", b"-1"]
TODAY = date(2026, 11, 2)
CALENDAR = EventCalendar(published_until={"CPI": TODAY}, known_until={"CPI": TODAY})
OUTSIDE = LintEnvironment(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: CALENDAR)
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b"- ",
    b"\n",
    b"  ",
    b"\t",
    b"'",
    b'"',
    b"#",
    b"&a ",
    b"*a",
    b"!x ",
    b"|",
    b"%",
]
PIECES += [
    b"$delta",
    b"10 pts",
    b"0.5",
    b"010",
    b"null",
    b"true",
    b"vix",
    b"all",
    b"expr",
    b"\x00",
    b"\xff",
    b"\xc3\xa9",
]
VALUES = [
    "",
    "5",
    "-1",
    "1e3",
    "$5",
    "50%",
    "2x credit",
    "[1, 2]",
    "{a: 1}",
    "vix",
    "'x'",
    "null",
    "[]",
    "{}",
    "true",
    "$q",
]


def read(content: bytes) -> Loaded:
    began = time.process_time()
    loaded = load(read_source(content, "spec.yaml"))
    found = [*loaded.diagnostics, *check(loaded, OUTSIDE)]
    assert time.process_time() - began < 5.0
    lines = loaded.source.lines
    for problem in found:
        assert 1 <= problem.line <= max(1, len(lines))
        assert 1 <= problem.col < problem.end_col
        assert render(problem)
    assert as_json(found)
    assert ((loaded.spec or loaded.account or loaded.universe) is None) == any(
        one.is_error for one in loaded.diagnostics
    )
    return loaded


@given(st.binary(max_size=300))
@settings(max_examples=tries(75))
def test_random_bytes_never_raise(content: bytes) -> None:
    read(content)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
@settings(max_examples=tries(75))
def test_random_pieces_of_yaml(pieces: list[bytes]) -> None:
    read(b"rulebot: 1\n" + b"".join(pieces))


@given(st.sampled_from(SPECS), st.integers(0, 2000), st.integers(0, 30), st.lists(st.sampled_from(PIECES), max_size=3))
@settings(max_examples=tries(50))
def test_specs_with_a_piece_cut_out_and_another_put_in(spec: bytes, at: int, cut: int, pieces: list[bytes]) -> None:
    at %= len(spec)
    read(spec[:at] + b"".join(pieces) + spec[at + cut :])


@given(st.sampled_from(SPECS), st.integers(0, 200), st.sampled_from(VALUES))
@settings(max_examples=tries(75))
def test_specs_with_another_value_in_one_place(spec: bytes, which: int, value: str) -> None:
    source = read_source(spec, "spec.yaml")
    places = list(source.values.values())
    span = places[which % len(places)]
    lines = spec.decode().split("\n")
    line = lines[span.line - 1]
    lines[span.line - 1] = line[: span.col - 1] + value + line[span.end_col - 1 :]
    read("\n".join(lines).encode())


@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 200), st.sampled_from(NUMBERS)), max_size=4))
@settings(max_examples=tries(100))
def test_sound_specs_with_other_numbers(spec: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Most of these have no error, so that all of lint looks at them."""
    for which, number in changes:
        places = [found.span() for found in re.finditer(rb"(?<![\w.:\"$])[0-9]+(\.[0-9]+)?(?![\w.:\"])", spec)]
        start, end = places[which % len(places)]
        spec = spec[:start] + number + spec[end:]
    read(spec)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"a:\n" + b"  [\n" * 60_000,
        b"- " * 900 + b"\n",
        b"".join(b" " * depth + b"a:\n" for depth in range(600)),
        b"a: 1\n" * 50_000,
        b"# x\n" * 65_000,
        b"".join(b"k%d: &a%d [1]\n" % (n, n) for n in range(15_000)),
        b'a: "' + b"word word\n  " * 21_000 + b'"',
        b"rulebot: 1\nentry: {when: [\n" + b"{vix: {above: x y}},\n" * 1600 + b"]}",
    ],
    ids=["brackets", "open lists", "dashes", "stairs", "repeats", "comments", "anchors", "long text", "many errors"],
)
def test_hostile_files_end_soon(content: bytes) -> None:
    assert read(content).diagnostics


def test_a_file_larger_than_allowed_is_not_read_whole(tmp_path: Path) -> None:
    from rulebot.spec.load import load_document

    large = tmp_path / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(4 * 1024**3)
    assert [problem.code for problem in load_document(large).diagnostics] == ["RB109"]


@given(
    st.sampled_from(SPECS),
    st.integers(0, 2000),
    st.integers(0, 12),
    st.lists(st.sampled_from(PIECES), max_size=2),
    st.lists(st.sampled_from([b"legs:", b"entry:", b"risk:", b"parameters:", b"exits:", *PIECES]), max_size=8),
)
@settings(max_examples=tries(50))
def test_a_document_over_a_broken_one(spec: bytes, at: int, cut: int, into: list[bytes], pieces: list[bytes]) -> None:
    at %= len(spec)
    parent = spec[:at] + b"".join(into) + spec[at + cut :]
    child = b"rulebot: 1\nname: child\nabout: A child.\nextends: parent\n" + b"".join(pieces)
    loaded = load(read_source(child, "child.yaml"), read=lambda name: parent)
    texts = {"child.yaml": child, "parent.yaml": parent}
    for problem in (*loaded.diagnostics, *check(loaded)):
        lines = texts[problem.file].decode("utf-8", "replace").splitlines()
        assert 1 <= problem.line <= max(1, len(lines) + 1)
        assert 1 <= problem.col < problem.end_col
        assert render(problem)
    if loaded.spec is not None:
        again = load(read_source(governing_text(loaded.source).encode(), "child.yaml"))
        assert again.spec is not None, again.diagnostics
        assert again.spec.digest == loaded.spec.digest
