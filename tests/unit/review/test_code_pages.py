"""Every code has a page, its examples are what they say, and the document is made of the pages."""

import re
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rulebot.calendars.calendars import shipped_dates
from rulebot.cli.validate import problems_of
from rulebot.compile.build import check, check_together
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.model.economic_calendar import calendar_ends
from rulebot.model.session import half_days
from rulebot.review.word_pages import CODES, Page, code_pages_document, page_of, pages
from rulebot.spec.diagnostic import Diagnostic, not_accepted
from rulebot.spec.load import Loaded, load
from rulebot.spec.yaml import read_source

ROOT = Path(__file__).parents[3]
REST = """\
rulebot: 1
name: condor
about: Sells a same-day SPX iron condor.
underlying: SPX
entry:
  window: {from: "10:00", to: "11:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
risk: {max_loss_per_trade: $2000}
"""
MODEL = """\
{"rulebot_model": 1, "features": 1, "kind": "logistic", "start": 0.0, "trained": {},
 "calibration": {"slope": 1.0, "offset": 0.0},
 "inputs": [{"name": "FEATURE", "missing": null, "mean": 18.0, "scale": 4.0, "weight": -1.0}]}
"""
ANOTHER_BOT = "# another bot of the same call\n"
SAVED_AS = {"RB101": "latin-1"}
USUAL_DAY = "2026-11-02"


def sections(text: str) -> dict[str, str]:
    """Return the sections of a document by their key; all ways of saying the underlying are one."""
    found = [part for part in re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE) if re.match(r"[a-z_]+:", part)]
    named = {"underlyings": "underlying", "universe": "underlying"}
    return {named.get(key := part.partition(":")[0], key): part for part in found}


def completed(example: str) -> str:
    """Return an example as a whole document: the rest is that of a sound condor."""
    if example.startswith("%"):
        return example + REST
    head, more, second = example.partition("---\n")
    return "".join((sections(REST) | sections(head)).values()) + more + second


def loaded(example: str, encoding: str, name: str) -> Loaded:
    text = completed(example)
    written = text.replace("name: condor\n", f"name: {name}\n").encode(encoding)
    return load(read_source(written, f"{name}.yaml"), read=beside)


def beside(name: str) -> bytes:
    """Return one of the files that stand beside the examples."""
    if name == "spy.json":
        return MODEL.replace("FEATURE", "vix").replace('"trained": {}', '"trained": {"underlying": "SPY"}').encode()
    if name in ("calm.json", "wide.json"):
        return MODEL.replace("FEATURE", "vix" if name == "calm.json" else "credit_over_width").encode()
    if name == "liquid.yaml":
        return b"rulebot_universe: 1\nabout: Funds of the indexes.\ncategories: {indexes: [SPY, QQQ]}\n"
    if name != "base.yaml":
        raise FileNotFoundError(name)
    return REST.replace("name: condor\n", "name: base\n").encode()


def outside(on: str) -> LintEnvironment:
    day = date.fromisoformat(on or USUAL_DAY)
    return LintEnvironment(day, half_days(day, day + timedelta(days=365)), lambda: calendar_ends(shipped_dates()))


def codes_of_tests(example: str) -> set[str]:
    """Return the codes of a document of tests, with the condor beside it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "condor.yaml").write_text(REST)
        file = Path(folder) / "condor.test.yaml"
        file.write_text(example)
        return {problem.code for problem in problems_of(file)}


def codes_of(page: Page, example: str, encoding: str) -> set[str]:
    if example.startswith("rulebot_test:"):
        return codes_of_tests(example)
    bots = [
        loaded(part, encoding, name)
        for part, name in zip(example.split(ANOTHER_BOT), ("condor", "other"), strict=False)
    ]
    found: list[Diagnostic] = []
    for bot in bots:
        own = (*bot.diagnostics, *check(bot, outside(page.on)))
        found += not_accepted(own, bot.spec.accept if bot.spec else ())
    found += [problem for of_bot in check_together(bots) for problem in of_bot]
    return {problem.code for problem in found}


def test_every_code_has_a_page_and_nothing_else() -> None:
    assert list(pages()) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_example_is_wrong_in_this_way_alone(code: str) -> None:
    page = pages()[code]
    assert codes_of(page, page.wrong, SAVED_AS.get(code, "utf-8")) == {code}


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_said_of_the_right_example(code: str) -> None:
    page = pages()[code]
    assert codes_of(page, page.right, "utf-8") == set()


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_why_in_a_few_lines(code: str) -> None:
    assert 40 < len(pages()[code].why) < 320
    assert page_of(code.lower()) == page_of(code) is not None


def test_what_is_no_code_has_no_page() -> None:
    assert page_of("RB999") is None
    assert page_of("condor") is None


def test_the_document_is_made_of_the_pages() -> None:
    """Make it anew: python -c 'from rulebot.review.word_pages import document; print(document(), end="")'."""
    assert (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8") == code_pages_document()
