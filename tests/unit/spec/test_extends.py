"""`extends`: one document laid over another, every problem at its place, and nothing read from elsewhere."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.compile.build import check
from rulebot.spec.extends import MAX_PARENTS
from rulebot.spec.load import Loaded, governing_text, load_document, load_text, resolved_text
from rulebot.spec.nouns import MeasureTest, StrikeBy
from rulebot.spec.source import MAX_BYTES
from rulebot.spec.spec import Spec

VALID = (Path(__file__).parents[2] / "snapshot" / "defects" / "valid.yaml").read_text()
CHILD = "rulebot: 1\nname: child\nabout: A child.\nextends: condor\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "condor.yaml").write_text(VALID)
    return tmp_path


def loaded(folder: Path, text: str = CHILD, overrides: dict[str, str] | None = None) -> Loaded:
    (folder / "child.yaml").write_text(text)
    return load_document(folder / "child.yaml", overrides)


def spec_of(folder: Path, more: str = "", overrides: dict[str, str] | None = None) -> Spec:
    found = loaded(folder, CHILD + more, overrides)
    assert found.spec is not None, found.diagnostics
    return found.spec


def places(found: Loaded) -> list[tuple[str, int, int, str]]:
    return [(Path(one.file).name, one.line, one.col, one.code) for one in (*found.diagnostics, *check(found))]


def parent(folder: Path) -> Spec:
    spec = load_document(folder / "condor.yaml").spec
    assert spec is not None
    return spec


# ---------------------------------------------------------------- what it means


def test_only_the_name_and_the_sentence_are_its_own(folder: Path) -> None:
    spec, above = spec_of(folder), parent(folder)
    assert (spec.name, spec.about) == ("child", "A child.")
    assert (spec.legs, spec.exits, spec.risk, spec.entry) == (above.legs, above.exits, above.risk, above.entry)
    assert spec.digest != above.digest


def test_the_digest_is_that_of_the_whole_written_out(folder: Path) -> None:
    changed = "risk:\n  daily_loss: $75\nentry: {per_day: 2, max_open: 1}\n"
    whole = VALID.replace("name: condor", "name: child").replace(
        "about: Sells a same-day SPX iron condor on calm days.", "about: A child."
    )
    whole = whole.replace("  per_day: 1\n", "  per_day: 2\n  max_open: 1\n")
    whole += "  daily_loss: $75\n" if "daily_loss" not in VALID else ""
    (folder / "whole").mkdir()
    (folder / "whole" / "child.yaml").write_text(whole)
    written_out = load_document(folder / "whole" / "child.yaml").spec
    assert written_out is not None
    assert spec_of(folder, changed).digest == written_out.digest


def test_keys_join_and_a_list_takes_the_place_of_the_list(folder: Path) -> None:
    spec = spec_of(folder, 'exits:\n  - time: "15:00"\nlegs: {long_put: {strike: {by: 15 pts}}}\n')
    assert [one.name for one in spec.exits] == ["time"]
    assert [leg.name for leg in spec.legs.legs] == [leg.name for leg in parent(folder).legs.legs]
    assert spec.legs.legs[1].strike.target == 15


def test_parameters_join_and_can_be_set(folder: Path) -> None:
    more = "parameters: {delta: 0.12, floor: 5 pts}\nlegs: {short_put: {strike: {min_otm_distance: $floor}}}\n"
    found = {one.name: one.text for one in spec_of(folder, more).parameters}
    assert found == {"delta": "0.12", "wing": "10 pts", "floor": "5 pts"}
    found = {one.name: one.text for one in spec_of(folder, more, {"wing": "20 pts"}).parameters}
    assert found["wing"] == "20 pts"


@pytest.mark.parametrize(
    ("more", "by"),
    [
        ("legs: {short_put: {strike: {expected_move: 1.2x, within: 0.1x}}}", StrikeBy.EXPECTED_MOVE),
        ("legs: {long_call: {strike: {at: spot}}}", StrikeBy.AT_SPOT),
        ("legs: {long_call: {strike: {below: short_call}}}", StrikeBy.BELOW),
    ],
)
def test_another_choice_takes_the_place_of_the_choice(folder: Path, more: str, by: StrikeBy) -> None:
    spec = spec_of(folder, more + "\n")
    assert by in [leg.strike.by for leg in spec.legs.legs]


def test_choices_of_the_document_too(folder: Path) -> None:
    spec = spec_of(folder, "underlyings: [SPX, SPY]\nentry: {at: '10:00'}\nlet: {day_move: {gap: {of: SPX}}}\n")
    assert spec.underlyings == ("SPX", "SPY")
    assert spec.entry.end is None
    assert [let.measure for let in spec.lets] == ["gap"]
    more = "entry: {window: {from: '11:00', to: '12:00'}}\n"
    (folder / "condor.yaml").write_text(
        VALID.replace('window: {from: "10:30", to: "13:30"}', 'at: "10:00"\n  for: 10m')
    )
    assert spec_of(folder, more).entry.lasts is None


def test_a_spec_extends_one_that_extends_another(folder: Path) -> None:
    (folder / "middle.yaml").write_text(CHILD.replace("child", "middle") + "parameters: {delta: 0.08}\nquantity: 2\n")
    text = CHILD.replace("extends: condor", "extends: middle") + "parameters: {wing: 15 pts}\n"
    spec = loaded(folder, text).spec
    assert spec is not None
    assert spec.quantity == 2
    assert {one.name: one.text for one in spec.parameters} == {"delta": "0.08", "wing": "15 pts"}


def test_warnings_of_what_is_inherited_are_for_the_parent_alone(folder: Path) -> None:
    unused = 'exits:\n  - time: "15:00"\nlegs: {long_put: {strike: {by: 5 pts}}, long_call: {strike: {by: 5 pts}}}\n'
    (folder / "condor.yaml").write_text(VALID.replace("underlying: SPX", "underlying: SPX\naccept: {RB310: tried}"))
    found = loaded(folder, CHILD + unused)
    assert places(found) == []
    assert [one.code for one in check(load_document(folder / "condor.yaml"))] == ["RB300"]


def test_a_let_that_is_inherited_need_not_be_used_here(folder: Path) -> None:
    no_range = "entry: {when: [{vix: {below: 30}}]}\n"
    assert places(loaded(folder, CHILD + no_range)) == []
    own = loaded(folder, CHILD + no_range + "let: {rise: {move: {since: close}}}\n")
    assert places(own) == [("child.yaml", 6, 7, "RB302")]


# ---------------------------------------------------------------- where a problem stands


def test_a_problem_stands_where_it_is_written(folder: Path) -> None:
    (folder / "condor.yaml").write_text(VALID.replace("vix_change: {below: 3 pts}", "vix_change: {below: 3}"))
    found = loaded(folder, CHILD + "risk: {daily_loss: 75}\n")
    assert places(found) == [("child.yaml", 5, 20, "RB152"), ("condor.yaml", 14, 27, "RB152")]
    assert "3}" in found.diagnostics[1].text
    assert (found.diagnostics[1].help or "").endswith("(found in 'child', which extends this)")


def test_a_problem_of_meaning_too(folder: Path) -> None:
    (folder / "condor.yaml").write_text(VALID.replace("{between: [12, 22]}", "{below: 0.9x day_moove}"))
    assert ("condor.yaml", 13, 25) in [place[:3] for place in places(loaded(folder))]


def test_what_is_covered_is_not_judged(folder: Path) -> None:
    (folder / "condor.yaml").write_text(VALID.replace("max_loss_per_trade: $1000", "max_loss_per_trade: 1000"))
    assert places(loaded(folder, CHILD + "risk: {max_loss_per_trade: $800}\n")) == []


def test_what_is_nobodys_is_missed_in_the_child(folder: Path) -> None:
    found = loaded(folder, "rulebot: 1\nname: child\nextends: condor\n")
    assert [(one.code, Path(one.file).name, one.message) for one in found.diagnostics] == [
        ("RB113", "child.yaml", "the document lacks 'about'")
    ]


def test_a_parent_that_cannot_be_read_is_said_in_its_file(folder: Path) -> None:
    (folder / "condor.yaml").write_text("rulebot: 1\nname: [\n")
    assert [place[0] for place in places(loaded(folder))] == ["condor.yaml"]
    (folder / "condor.yaml").write_text("rulebot: 2\n")
    assert places(loaded(folder)) == [("condor.yaml", 1, 10, "RB119")]


def test_the_command_says_what_several_inherit_once(folder: Path) -> None:
    (folder / "condor.yaml").write_text(VALID.replace("vix_change: {below: 3 pts}", "vix_change: {below: 3}"))
    (folder / "child.yaml").write_text(CHILD)
    result = CliRunner().invoke(main, ["validate", str(folder)])
    assert result.stdout.count("error[RB152]") == 1
    assert result.stdout.endswith("2 files: 2 with 1 error\n")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("cnodor", "there is no 'cnodor.yaml' in the folder of this file"),
        ("child", "this leads in a circle: child extends child"),
        ("../condor", "'extends' names a bot, is '../condor'"),
        ("/etc/hosts", "'extends' names a bot, is '/etc/hosts'"),
        ("condor.yaml", "'extends' names a bot, is 'condor.yaml'"),
        ("[condor]", "'extends' names a bot, is '[condor]'"),
        ("", "'extends' has no value"),
        ("nofile", "there is no 'nofile.yaml' in the folder of this file"),
        ("account", "'account' is no bot: it has no 'rulebot: 1'"),
    ],
)
def test_what_cannot_be_extended(folder: Path, written: str, message: str) -> None:
    (folder / "nofile.yaml").mkdir()
    (folder / "account.yaml").write_text("rulebot_account: 1\nabout: x\naccount: DU1\nrisk: {max_open: 1}\n")
    found = loaded(folder, CHILD.replace("condor", written))
    (problem,) = found.diagnostics
    assert (problem.code, problem.line, problem.message) == ("RB124", 4, message)
    assert problem.col == (10 if written else 1)
    assert found.spec is None


def test_a_missing_parent_is_guessed(folder: Path) -> None:
    assert loaded(folder, CHILD.replace("condor", "cnodor")).diagnostics[0].help == "did you mean 'condor'?"


def test_a_circle_is_said_where_it_closes(folder: Path) -> None:
    (folder / "condor.yaml").write_text(CHILD.replace("child", "condor").replace("extends: condor", "extends: child"))
    (problem,) = loaded(folder).diagnostics
    assert Path(problem.file).name == "condor.yaml"
    assert problem.message == "this leads in a circle: child extends condor extends child"


def test_a_chain_is_short(folder: Path) -> None:
    for number in range(MAX_PARENTS + 1):
        text = CHILD.replace("child", f"bot{number}").replace("extends: condor", f"extends: bot{number + 1}")
        (folder / f"bot{number}.yaml").write_text(text)
    (folder / f"bot{MAX_PARENTS}.yaml").write_text(VALID.replace("name: condor", f"name: bot{MAX_PARENTS}"))
    assert load_document(folder / "bot0.yaml").spec is not None
    (problem,) = loaded(folder, CHILD.replace("condor", "bot0")).diagnostics
    assert Path(problem.file).name == f"bot{MAX_PARENTS - 1}.yaml"
    assert problem.message == "more than 8 documents extend one another"


def test_a_chain_is_not_large(folder: Path) -> None:
    (folder / "condor.yaml").write_text(VALID + "# long\n" * (MAX_BYTES // 8))
    found = loaded(folder, CHILD + "# long\n" * (MAX_BYTES // 8))
    assert places(found) == [("child.yaml", 4, 10, "RB109")]


@pytest.mark.skipif(os.name == "nt", reason="a link needs a right on Windows")
def test_a_link_leads_nowhere_else(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    inside = folder / "inside"
    inside.mkdir()
    (outside / "condor.yaml").write_text(VALID)
    (inside / "condor.yaml").symlink_to(outside / "condor.yaml")
    (problem,) = loaded(inside).diagnostics
    assert problem.message == "'condor.yaml' is a link to outside its folder"


@pytest.mark.skipif(os.name == "nt", reason="a link needs a right on Windows")
def test_a_folder_of_links_into_one_place_is_fine(folder: Path) -> None:
    (folder / "child.yaml").write_text(CHILD)
    links = folder / "links"
    links.mkdir()
    for name in ("child.yaml", "condor.yaml"):
        (links / name).symlink_to(folder / name)
    assert load_document(links / "child.yaml").spec is not None


def test_a_text_alone_cannot_extend(folder: Path) -> None:
    (problem,) = load_text(CHILD, "child.yaml").diagnostics
    assert problem.message == "a text without a file cannot extend another"
    assert load_text(CHILD, "child.yaml", read=lambda name: VALID.encode()).spec is not None


def test_the_suffix_is_that_of_the_child(folder: Path) -> None:
    (folder / "condor.yml").write_text(VALID.replace("delta: 0.10", "delta: 0.05"))
    (folder / "child.yml").write_text(CHILD)
    spec = load_document(folder / "child.yml").spec
    assert spec is not None
    assert spec.parameters[0].text == "0.05"


# ---------------------------------------------------------------- the text that governs


def test_the_text_that_governs_needs_no_parent(folder: Path) -> None:
    found = loaded(folder, CHILD + 'exits:\n  - time: "15:00"\n  - stop: {loss: 200%}\n')
    text = governing_text(found.source)
    assert "extends" not in text
    again = load_text(text, str(folder / "child.yaml")).spec
    assert again is not None
    assert found.spec is not None
    assert again.digest == found.spec.digest


def test_a_text_that_extends_nothing_governs_as_it_is(folder: Path) -> None:
    found = load_document(folder / "condor.yaml")
    assert governing_text(found.source) == VALID
    again = load_text(resolved_text(found.source), "condor.yaml").spec
    assert again is not None
    assert again.digest == parent(folder).digest


def test_a_let_of_the_parent_is_compared_in_the_child(folder: Path) -> None:
    spec = spec_of(folder, "entry: {when: [day_move: {above: 20 pts}]}\n")
    test = spec.entry.when[0].test
    assert isinstance(test, MeasureTest)
    assert (test.let, test.measure, test.said) == ("day_move", "expected_move", "day_move")
    assert loaded(folder, CHILD + "entry: {when: [day_moves: {above: 20 pts}]}\n").diagnostics[0].code == "RB112"


def test_a_let_that_the_child_changes_is_compared_as_changed(folder: Path) -> None:
    spec = spec_of(folder, "let: {day_move: {expected_move: {asof: $none}}}\nparameters: {none: open}\n")
    assert spec.lets[0].arguments == {"asof": "open"}
