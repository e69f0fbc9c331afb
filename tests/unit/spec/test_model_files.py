"""`model: {file, sha256}`: the very file that is named, kept whole in the text that governs positions."""

import json
from pathlib import Path

import pytest

from rulebot.compile.build import build_plan
from rulebot.model.learned_model import digest_of
from rulebot.spec.load import Loaded, governing_text, is_alone, load_document, load_text

SPEC = """rulebot: 1
name: calm
about: Sells a put spread when a model says so.
underlying: SPX
entry:
  window: {from: "10:30", to: "13:30"}
  per_day: 1
  when:
    - model: {file: models/m.json, sha256: HASH, above: 0.6}
    - any:
        - vix: {below: 20}
        - not: {model: {file: models/m.json, sha256: HASH, below: 0.2}}
      name: either
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.08}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 5, then: cancel}
exits:
  - time: "15:30"
risk: {max_loss_per_trade: $500}
"""


def model(*names: str, version: int = 1, **changes: object) -> str:
    scaled = {} if changes.get("kind") == "trees" else {"mean": 18.0, "scale": 4.0, "weight": -1.0}
    inputs = [{"name": name, "missing": None, **scaled} for name in names]
    whole = {
        "rulebot_model": 1,
        "features": version,
        "kind": "logistic",
        "inputs": inputs,
        "start": 0.25,
        "calibration": {"slope": 1.0, "offset": 0.0},
        "trained": {},
        **changes,
    }
    return json.dumps(whole, indent=1) + "\n"


def loaded(folder: Path, text: str, digest: str = "") -> Loaded:
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "m.json").write_text(text)
    file = folder / "calm.yaml"
    file.write_text(SPEC.replace("HASH", digest or digest_of(text)))
    return load_document(file)


def test_a_model_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    found = loaded(tmp_path, model("vix"))
    assert found.spec is not None, found.diagnostics
    assert found.spec.models["models/m.json"].names == ("vix",)


def test_the_governing_text_needs_no_file_and_means_the_same(tmp_path: Path) -> None:
    found = loaded(tmp_path, model("vix", "iv_over_rv"))
    assert found.spec is not None
    assert not is_alone(found.source)
    text = governing_text(found.source)
    kept = load_text(text, "calm.yaml")
    assert kept.spec is not None, kept.diagnostics
    assert kept.spec.digest == found.spec.digest
    assert kept.spec.models == found.spec.models
    assert governing_text(kept.source) == text
    assert build_plan(kept.spec)[0] == build_plan(found.spec)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing\n", "it is not JSON"),
        ("{}\n", "it is no model"),
        (model("vix", kind="magic"), "a key is missing or is not what it has to be"),
        (model("vix", kind="trees"), "'trees' is missing among"),
        (model("vix", kind="trees", trees=[]), "its kind is 'trees', and it has none"),
        (model("vix", "vix"), "each once"),
        (model("vix", start=float("nan")), "a number is required"),
        (model("vix").rstrip("\n"), "its last line has no end"),
        (model("vix", rulebot_model=2), "models of format 1, is 2"),
        (model("vix", trained={"long": "x" * 1000}), "a line is longer than 1000"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, text: str, said: str) -> None:
    found = loaded(tmp_path, text)
    assert {problem.code for problem in found.diagnostics} == {"RB126"}
    assert said in found.diagnostics[0].message


def test_another_model_than_the_one_meant_is_refused_where_its_hash_stands(tmp_path: Path) -> None:
    found = loaded(tmp_path, model("vix"), digest="f" * 64)
    problem = found.diagnostics[0]
    assert (problem.code, problem.line) == ("RB126", 9)
    assert problem.message == "'models/m.json' is not the model whose hash is named"
    assert digest_of(model("vix")) in (problem.help or "")


def test_a_missing_file_and_a_link_to_elsewhere_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "calm.yaml"
    file.write_text(SPEC.replace("HASH", "f" * 64))
    assert load_document(file).diagnostics[0].message == "there is no 'models/m.json' in the folder of this file"
    (tmp_path / "here").mkdir()
    (tmp_path / "away.json").write_text(model("vix"))
    inner = tmp_path / "here" / "calm.yaml"
    inner.write_text(SPEC.replace("HASH", "f" * 64))
    (tmp_path / "here" / "models").mkdir()
    (tmp_path / "here" / "models" / "m.json").symlink_to(tmp_path / "away.json")
    assert load_document(inner).diagnostics[0].message == "'models/m.json' is a link to outside its folder"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (model("vix", "mood"), "this engine has no such feature"),
        (model("vix", version=2), "reads features of version 2, this engine has version 1"),
        (model("credit_over_width"), "has no meaning in entry.when"),
    ],
)
def test_a_model_of_other_features_is_refused(tmp_path: Path, text: str, said: str) -> None:
    found = loaded(tmp_path, text)
    assert found.spec is not None
    plan, problems = build_plan(found.spec, found.source)
    assert plan is None
    assert {problem.code for problem in problems} == {"RB215"}
    assert said in problems[0].message


def test_sixty_trees_are_kept_whole_in_the_governing_text(tmp_path: Path) -> None:
    tree = {
        "feature": [0, 1, -1, -1, 0, -1, -1],
        "threshold": [0.12345678901234567 + at for at in range(7)],
        "left": [1, 2, -1, -1, 5, -1, -1],
        "right": [4, 3, -1, -1, 6, -1, -1],
        "value": [-0.012345678901234567 * at for at in range(7)],
    }
    bare = json.loads(model("vix", "gap", kind="trees", trees=[tree] * 60))
    trees = ",\n".join(json.dumps(each) for each in bare.pop("trees"))
    text = json.dumps(bare).removesuffix("}") + ',\n"trees": [\n' + trees + "\n]}\n"
    found = loaded(tmp_path, text)
    assert found.spec is not None, found.diagnostics
    kept = load_text(governing_text(found.source), "calm.yaml")
    assert kept.spec is not None, kept.diagnostics
    assert kept.spec.models == found.spec.models
    assert len(kept.spec.models["models/m.json"].trees) == 60


def test_one_that_extends_a_bot_with_a_model_has_it_too(tmp_path: Path) -> None:
    loaded(tmp_path, model("vix"))
    child = tmp_path / "later.yaml"
    child.write_text("rulebot: 1\nname: later\nabout: Sells later.\nextends: calm\nquantity: 2\n")
    found = load_document(child)
    assert found.spec is not None, found.diagnostics
    kept = load_text(governing_text(found.source), "later.yaml")
    assert kept.spec is not None, kept.diagnostics
    assert kept.spec.digest == found.spec.digest


def test_two_models_of_one_name_and_other_hashes_mean_different_things(tmp_path: Path) -> None:
    one = loaded(tmp_path, model("vix"))
    other = loaded(tmp_path, model("vix", start=0.5))
    assert one.spec is not None
    assert other.spec is not None
    assert one.spec.digest != other.spec.digest


def test_the_lines_of_a_model_that_no_condition_names_are_reported() -> None:
    """They were taken without a word: a name that is misspelt there leaves the model beside the file in force."""
    text = SPEC.replace("    - model: {file: models/m.json, sha256: HASH, above: 0.6}\n", "")
    text = text.replace("        - not: {model: {file: models/m.json, sha256: HASH, below: 0.2}}\n", "")
    found = load_text(text + 'models: {m.json: ["{", "}"]}\n', "calm.yaml")
    (problem,) = found.diagnostics
    assert (found.is_fine, problem.code, problem.message) == (
        True,
        "RB304",
        "'m.json' does nothing here: no condition names that file",
    )
