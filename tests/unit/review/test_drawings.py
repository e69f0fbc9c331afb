"""Diagrams and the page: whole, well-formed, and made of nothing but themselves."""

import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.plan import LIFECYCLE, Lifecycle, Row
from rulebot.review.account import explain_account
from rulebot.review.entry import explain_universe
from rulebot.review.explain import explain_bot, page_of
from rulebot.review.explanation import Explanation
from rulebot.review.payoff import Payoff, payoff_svg
from rulebot.review.states import TRIGGERS, mermaid, state_svg, text_diagram
from rulebot.review.word_pages import word_page
from rulebot.spec.files import shipped
from rulebot.spec.load import load_document

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = [*sorted(shipped("specs").glob("*.yaml")), *sorted(EXAMPLES.glob("*.yaml"))]


@cache
def explained(file: Path) -> Explanation:
    loaded = load_document(file)
    if loaded.account is not None:
        return explain_account(loaded.account)
    if loaded.universe is not None:
        return explain_universe(file.stem, loaded.universe)
    assert loaded.spec is not None
    plan, _ = build_plan(loaded.spec, loaded.source, with_warnings=False)
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
    found = explained(file)
    assert len(drawings) == (0 if found.lifecycle is None else 1 + len(found.payoffs))
    assert (found.lifecycle is None) is (file.stem in ("account", "account_limits", "liquid"))


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
    texts = [(text.get("class"), text.text or "") for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [words for kind, words in texts if kind is None] == list(LIFECYCLE.states)
    labels = " ".join(words for kind, words in texts if kind == "label")
    assert {row.trigger for row in LIFECYCLE.rows} <= set(re.findall(r"\w+", labels))


def test_every_move_stands_on_the_page_with_what_it_means() -> None:
    text = page_of([explained(shipped("specs") / "spy_put_seller.yaml")])
    for row in LIFECYCLE.rows:
        assert f'{row.state} → {row.next}</td><td class="name">{row.trigger}</td><td>{TRIGGERS[row.trigger]}' in text
    assert "a resting order, or a person, closed it: target or stop</td>" in text


def test_a_window_that_hangs_on_the_session_is_drawn_by_the_clock() -> None:
    found = explained(shipped("specs") / "vertical_switch.yaml")
    assert found.labels["flat", "enter"] == "10:00 to 15:00"
    assert explained(shipped("specs") / "spy_put_seller.yaml").labels["flat", "enter"] == "09:31"


def test_each_alternative_is_drawn_with_its_own_price() -> None:
    text = page_of([explained(shipped("specs") / "vertical_switch.yaml")])
    assert '<h3 class="name">credit</h3><p>581/586p at 1.41; breaks even at' in text
    assert '<h3 class="name">debit</h3><p>586/591c at 3.26; breaks even at' in text


def test_calls_on_shares_are_not_said_to_lose_without_a_bound() -> None:
    text = page_of([explained(shipped("specs") / "micro_buywrite.yaml")])
    assert "without a bound" not in text
    assert "max profit $37; drawn without the shares that cover it, which gain what it loses" in text


def test_a_loss_that_the_drawing_does_not_reach_says_where_it_lies() -> None:
    text = page_of([explained(shipped("specs") / "spy_put_seller.yaml")])
    assert "max loss $55,133 with SPY at 0, which is not drawn" in text
    drawn = page_of([explained(shipped("specs") / "put_lite.yaml")])
    assert "max loss $962</p>" in drawn


def test_two_underlyings_are_drawn_with_what_is_taken_for_granted() -> None:
    text = page_of([explained(shipped("specs") / "spx_spy_parity.yaml")])
    assert "at 4.09; drawn with SPY at SPX x 0.1 at expiry, which nothing holds there; max profit without" in text
    assert "SPX at expiry, points, with SPY at SPX x 0.1</text>" in text


def test_a_page_of_several_bots_has_links_and_no_name_twice() -> None:
    page = page_of([explained(file) for file in FILES[:3]])
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names)) == 3
    assert re.findall(r'href="#([^"]+)"', page) == names
    assert "<nav>" not in page_of([explained(FILES[0])])


Box = tuple[float, float, float, float]


def written(drawing: ElementTree.Element) -> list[tuple[str, Box]]:
    """Return every line of text with the room it takes, at six points and a half a letter."""
    found = []
    for text in drawing.iter("{http://www.w3.org/2000/svg}text"):
        for line in list(text) or [text]:
            x, y, width = float(line.attrib["x"]), float(line.attrib["y"]), 6.5 * len(line.text or "")
            left = x - {"start": 0.0, "middle": width / 2, "end": width}[text.attrib.get("text-anchor", "start")]
            found.append((line.text or "", (left, y - 9, left + width, y + 1)))
    return found


def touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.stem not in ("account", "account_limits", "liquid")],
    ids=lambda file: file.stem,
)
def test_nothing_is_written_over_anything_nor_cut_off(file: Path) -> None:
    for drawing in (each for each in body(page_of([explained(file)])).iter() if each.tag.endswith("}svg")):
        left, top, width, height = map(float, drawing.attrib["viewBox"].split())
        texts = written(drawing)
        for at, (text, box) in enumerate(texts):
            assert left <= box[0] < box[2] <= left + width, text
            assert top <= box[1] < box[3] <= top + height, text
            assert not [other for other, room in texts[at + 1 :] if touch(box, room)], text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_letters_can_be_read_on_a_telephone_that_shows_the_whole(file: Path) -> None:
    """At 23rem, the least that a page gives a drawing and what 400 points have room for, letters have nearly nine."""
    for drawing in (each for each in body(page_of([explained(file)])).iter() if each.tag.endswith("}svg")):
        size = {"payoff": 13, "states": 12}[drawing.attrib["class"]]
        assert size * 23 * 16 / float(drawing.attrib["viewBox"].split()[2]) >= 8.8


def test_where_the_underlying_stands_is_not_cut_off_at_the_edge() -> None:
    points = ((Decimal(5875), Decimal(-1975)), (Decimal(5995), Decimal(-5)), (Decimal(6000), Decimal(0)))
    found = Payoff(symbol="SPX", points=points, break_evens=(), best=None, worst=None, spot=Decimal(6000))
    assert all(0 <= box[0] < box[2] <= 520 for _, box in written(ElementTree.fromstring(payoff_svg(found))))


def test_many_exits_with_long_names_find_room() -> None:
    names = " or ".join(f"exit_of_a_long_name_{at}" for at in range(12))
    drawn = ElementTree.fromstring(state_svg(LIFECYCLE, {("open", "exit"): names, ("entering", "exit"): names}))
    texts = written(drawn)
    assert not [(one, other) for one, box in texts for other, room in texts if one is not other and touch(box, room)]


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
