"""Diagrams and the page: whole, well-formed, and made of nothing but themselves."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.compile.build import build_plan
from engine.compile.lifecycle import LIFECYCLE
from engine.compile.plan import Lifecycle, Row
from engine.review.account import explain_account
from engine.review.diagram import mermaid, text_diagram
from engine.review.explain import explain_bot
from engine.review.explanation import Explanation
from engine.review.members import explain_universe
from engine.review.page import page_of
from engine.review.state_svg import state_svg
from engine.review.word_page import word_page
from engine.spec.load import load_document
from engine.spec.shipped import shipped

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = [*sorted(shipped("specs").glob("*.yaml")), *sorted(EXAMPLES.glob("*.yaml"))]


def explained(file: Path) -> Explanation:
    loaded = load_document(file)
    if loaded.account is not None:
        return explain_account(loaded.account)
    if loaded.universe is not None:
        return explain_universe(file.stem, loaded.universe)
    assert loaded.spec is not None
    plan, _ = build_plan(loaded.spec, loaded.source)
    assert plan is not None
    return explain_bot(loaded.spec, plan)


def body(page: str) -> ElementTree.Element:
    """Return the page as a tree: its tags are all closed."""
    return ElementTree.fromstring(re.sub(r"<!doctype html>|<meta [^>]*>|<br>", "", page))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_page_of_every_document_stands_by_itself(file: Path) -> None:
    page = page_of([explained(file)])
    tree = body(page)
    assert tree.tag == "html"
    assert re.findall(r"(?:src|href|@import|url)\s*[=(]\s*[\"']?(?!#)\w+:", page) == []
    assert "prefers-color-scheme:dark" in page
    drawings = [each for each in tree.iter() if each.tag.endswith("}svg")]
    assert len(drawings) == (0 if file.stem in ("account", "liquid") else 2)


def test_a_page_escapes_what_people_wrote() -> None:
    page = word_page("cost")
    assert page is not None
    text = page_of([Explanation(kind="word", name="<b>", about="a < b & c", sections=page.sections)])
    assert "<b>" not in text
    assert "a &lt; b &amp; c" in text


def test_the_states_are_those_of_the_table() -> None:
    lines = text_diagram("bot", LIFECYCLE, {("open", "exit"): "time or stop"}).split("\n")
    assert sum("──▶" in line for line in lines) == len(LIFECYCLE.rows)
    assert any("an exit acts: time or stop" in line for line in lines)
    drawn = ElementTree.fromstring(state_svg(LIFECYCLE, {}))
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")} - {None}
    assert texts == set(LIFECYCLE.states)
    spans = " ".join(span.text or "" for span in drawn.iter("{http://www.w3.org/2000/svg}tspan"))
    assert {row.trigger for row in LIFECYCLE.rows} <= set(re.findall(r"\w+", spans))


def test_another_table_is_drawn_as_it_is() -> None:
    rows = (Row("flat", "enter", "open"), Row("open", "exit", "closed"), Row("closed", "late_fill", "flat"))
    table = Lifecycle(states=("flat", "open", "closed"), initial="flat", final=("closed",), rows=rows)
    assert mermaid(table, {("open", "exit"): "time"}).split("\n") == [
        "stateDiagram-v2",
        "  direction LR",
        "  [*] --> flat",
        "  flat --> open: enter",
        "  open --> closed: exit (time)",
        "  closed --> flat: late_fill",
        "  closed --> [*]",
    ]
    assert len(list(ElementTree.fromstring(state_svg(table, {})).iter("{http://www.w3.org/2000/svg}rect"))) == 3
