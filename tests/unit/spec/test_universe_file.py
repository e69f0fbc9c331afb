"""A universe in a file: which symbols a bot takes of it, what they change of the bot, and what is refused."""

import os
from pathlib import Path

import pytest

from rulebot.documents.load_bots import compile_text, load_all_bots, reread
from rulebot.spec.layout import formatted
from rulebot.spec.load import Loaded, governing_text, load_document, load_text, resolved_text
from rulebot.spec.source import MAX_BYTES, Kind
from rulebot.spec.spec import Spec, Taken

VALID = (Path(__file__).parents[2] / "snapshot" / "defects" / "valid.yaml").read_text()
LIQUID = """rulebot_universe: 1
about: Liquid options.
categories:
  indexes: [SPX, SPY, QQQ]
  tech: [AAPL, TSLA, QQQ]
  funds: [XLF, XLE]
"""
TAKES = "universe: {file: liquid.yaml, categories: [tech, indexes], except: [TSLA]}\n"
WRITES = "universe: {symbols: [AAPL, QQQ, SPX, SPY]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "bots"
    inner.mkdir()
    (inner / "liquid.yaml").write_text(LIQUID)
    return inner


def text(universe: str) -> str:
    return VALID.replace("underlying: SPX\n", universe)


def loaded(folder: Path, universe: str = TAKES, overrides: dict[str, str] | None = None) -> Loaded:
    (folder / "condor.yaml").write_text(text(universe))
    return load_document(folder / "condor.yaml", overrides)


def spec_of(found: Loaded) -> Spec:
    assert found.spec is not None, found.diagnostics
    return found.spec


def symbols(found: Loaded) -> tuple[str, ...]:
    universe = spec_of(found).universe
    assert universe is not None
    return universe.symbols


def problems(found: Loaded) -> list[tuple[str, int, int, str]]:
    return [(Path(one.file).name, one.line, one.col, one.code) for one in found.diagnostics]


# ---------------------------------------------------------------- what it means


def test_symbols_come_in_the_order_of_the_categories_each_once(folder: Path) -> None:
    found = loaded(folder)
    assert symbols(found) == ("AAPL", "QQQ", "SPX", "SPY")
    assert spec_of(found).underlyings == ("AAPL",)
    universe = spec_of(found).universe
    assert universe is not None
    assert universe.taken == Taken(file="liquid.yaml", categories=("tech", "indexes"), without=("TSLA",))


def test_the_digest_is_that_of_the_symbols_written_out(folder: Path) -> None:
    assert spec_of(loaded(folder)).digest == spec_of(loaded(folder, WRITES)).digest


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        (("funds: [XLF, XLE]", "funds: [XLF, XLV]"), False),
        (("about: Liquid options.", "about: Others.  # a remark"), False),
        (("[AAPL, TSLA, QQQ]", "[AAPL, QQQ]\n  cars: [TSLA]"), False),
        (("[AAPL, TSLA, QQQ]", "[AAPL, TSLA, QQQ, MSFT]"), True),
        (("[SPX, SPY, QQQ]", "[SPY, SPX, QQQ]"), True),
    ],
)
def test_only_symbols_that_are_taken_change_the_digest(folder: Path, edit: tuple[str, str], changes: bool) -> None:
    before = spec_of(loaded(folder)).digest
    assert edit[0] in LIQUID
    (folder / "liquid.yaml").write_text(LIQUID.replace(*edit))
    assert (spec_of(loaded(folder)).digest != before) is changes


def test_what_governs_a_position_needs_no_file(folder: Path) -> None:
    found = loaded(folder)
    kept = governing_text(found.source)
    assert "liquid" not in kept
    assert "symbols: [AAPL, QQQ, SPX, SPY]" in kept
    assert spec_of(load_text(kept, "condor.yaml")).digest == spec_of(found).digest
    assert governing_text(loaded(folder, WRITES).source) == text(WRITES)


def test_categories_may_be_parameters(folder: Path) -> None:
    more = "universe: {file: $from, categories: [$which]}\nparameters: {which: tech, from: liquid.yaml}\n"
    base = VALID.replace("parameters: {delta: 0.10, wing: 10 pts}\n", "").replace("$delta", "0.10")
    (folder / "condor.yaml").write_text(base.replace("$wing", "10 pts").replace("underlying: SPX\n", more))
    assert symbols(load_document(folder / "condor.yaml")) == ("AAPL", "TSLA", "QQQ")
    other = load_document(folder / "condor.yaml", {"which": "funds"})
    assert symbols(other) == ("XLF", "XLE")
    kept = load_text(governing_text(other.source), "condor.yaml", {"which": "funds"})
    assert spec_of(kept).digest == spec_of(other).digest


# ---------------------------------------------------------------- extends


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", ("AAPL", "QQQ", "SPX", "SPY")),
        ("universe: {categories: [funds]}\n", ("XLF", "XLE")),
        ("universe: {except: [QQQ]}\n", ("AAPL", "TSLA", "SPX", "SPY")),
        ("universe: {symbols: [MSFT, META]}\n", ("MSFT", "META")),
        ("universe: {file: other.yaml, categories: [few]}\n", ("NVDA", "AMZN")),
    ],
)
def test_a_child_takes_over_what_it_does_not_say(folder: Path, own: str, expected: tuple[str, ...]) -> None:
    loaded(folder)
    other = (
        "rulebot_universe: 1\nabout: A few, and one that is not taken.\ncategories: {few: [NVDA, AMZN], one: [TSLA]}\n"
    )
    (folder / "other.yaml").write_text(other)
    child = f"rulebot: 1\nname: child\nabout: A child.\nextends: condor\n{own}"
    (folder / "child.yaml").write_text(child)
    found = load_document(folder / "child.yaml")
    assert symbols(found) == expected
    assert f"symbols: [{', '.join(expected)}]" in resolved_text(found.source)


def test_a_child_may_take_of_a_file_what_its_parent_writes_out(folder: Path) -> None:
    loaded(folder, WRITES)
    child = "rulebot: 1\nname: child\nabout: A child.\nextends: condor\n"
    (folder / "child.yaml").write_text(f"{child}universe: {{file: liquid.yaml, categories: [funds]}}\n")
    assert symbols(load_document(folder / "child.yaml")) == ("XLF", "XLE")


# ---------------------------------------------------------------- what is refused


def test_a_file_that_is_not_there_may_be_meant_to_be_another(folder: Path) -> None:
    (problem,) = loaded(folder, "universe: {file: liqid.yaml, categories: [tech]}\n").diagnostics
    assert (problem.code, problem.line, problem.col) == ("RB125", 5, 18)
    assert problem.help == "did you mean 'liquid.yaml'?"


def test_a_pipe_in_the_folder_is_not_read_for_a_file_that_is_not_there(folder: Path) -> None:
    """Whoever opens a pipe that nobody writes to waits for ever."""
    os.mkfifo(folder / "pipe.yaml")
    (problem,) = loaded(folder, TAKES.replace("liquid", "liqiud")).diagnostics
    assert problem.help == "did you mean 'liquid.yaml'?"


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text(LIQUID)
    (folder / "linked.yaml").symlink_to(folder.parent / "secret.yaml")
    (problem,) = loaded(folder, "universe: {file: linked.yaml, categories: [tech]}\n").diagnostics
    assert problem.message == "'linked.yaml' is a link to outside its folder"


def test_what_is_wrong_in_the_file_is_said_where_it_stands(folder: Path) -> None:
    (folder / "liquid.yaml").write_text(LIQUID.replace("SPX", "spx"))
    assert problems(loaded(folder)) == [("liquid.yaml", 4, 13, "RB152")]
    (folder / "liquid.yaml").write_text(LIQUID.replace("1", "2", 1))
    assert problems(loaded(folder)) == [("liquid.yaml", 1, 19, "RB119")]
    (folder / "liquid.yaml").write_text("about: nothing\n")
    assert problems(loaded(folder)) == [("liquid.yaml", 1, 1, "RB119")]


def test_a_file_is_as_large_as_any_document(folder: Path) -> None:
    (folder / "liquid.yaml").write_text(LIQUID + "#" * MAX_BYTES)
    assert problems(loaded(folder)) == [("liquid.yaml", 1, 1, "RB109")]


def test_more_symbols_than_a_bot_may_have(folder: Path) -> None:
    many = ", ".join(f"A{number}" for number in range(41))
    (folder / "liquid.yaml").write_text(f"rulebot_universe: 1\nabout: Many.\ncategories: {{all_of_them: [{many}]}}\n")
    (problem,) = loaded(folder, "universe: {file: liquid.yaml, categories: [all_of_them]}\n").diagnostics
    assert problem.message == "the selection from 'liquid.yaml' has 41 symbols: a universe has 2 to 40"
    assert symbols(loaded(folder, "universe: {file: liquid.yaml, categories: [all_of_them], except: [A7]}\n"))


def test_a_text_alone_has_nothing_beside_it() -> None:
    (problem,) = load_text(text(TAKES), "condor.yaml").diagnostics
    assert (problem.code, problem.help) == ("RB125", "write its 'symbols' out")


# ---------------------------------------------------------------- the file itself, and a run


def test_layout_of_a_universe_is_that_of_other_documents() -> None:
    messy = "categories:\n    funds:\n    - XLF   # a fund\n    - XLE\n    indexes: [ SPX,SPY ]\nabout: Two.\n"
    messy += "rulebot_universe: 1\n"
    laid_out = formatted(messy, "liquid.yaml", Kind.UNIVERSE)
    assert laid_out.startswith("rulebot_universe: 1\nabout: Two.\ncategories:\n")
    assert "  indexes: [SPX, SPY]\n" in laid_out
    assert "# a fund" in laid_out
    assert formatted(laid_out, "liquid.yaml", Kind.UNIVERSE) == laid_out


def test_a_run_passes_over_the_file_and_takes_it_up_again(folder: Path) -> None:
    loaded(folder, TAKES.replace("}", ", rank: {by: iv, highest: 1}}"))
    desk = load_all_bots([str(folder)], {}, None)
    (kept,) = desk.texts
    assert [member.symbol for member in desk.bots["condor"].plan.members] == ["AAPL", "QQQ", "SPX", "SPY"]
    assert desk.sources is not None
    (folder / "liquid.yaml").write_text(LIQUID.replace("[AAPL,", "[MSFT, AAPL,"))
    again = reread(desk.sources)
    assert again.digests != desk.digests
    assert [member.symbol for member in again.bots["condor"].plan.members] == ["MSFT", "AAPL", "QQQ", "SPX", "SPY"]
    assert [member.symbol for member in compile_text(kept).plan.members] == ["AAPL", "QQQ", "SPX", "SPY"]
