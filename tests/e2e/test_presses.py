"""What a person presses and reads while page.js replaces parts of the page, and asks: in a real browser, no server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rulebot.web import pages
from tests.e2e.conftest import chromium

DESK = "http://desk.test/"
SCRIPT = Path(pages.__file__).parent / "static" / "page.js"
ROWS = '<div class="scroll"><button data-action="/api/action/pause" data-bot="a">Pause</button></div>'
LONG = f'<div id="part-bots">{ROWS}</div><p style="height: 4000px">'
PARAMETERS = """<form class="parameters" data-bot="a"><input name="delta" value="0.07"
  data-now="0.06" aria-label="delta">
<button type="button" data-back="wing">As in the file</button><p><button>Show what changes</button></p></form>"""


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Any]:
    """Return one browser for all tests of this file."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(shared_browser: Any) -> Iterator[Any]:
    """Return a page, of which `open_page` gives the text."""
    found = shared_browser.new_page(viewport={"width": 1280, "height": 800})
    yield found
    found.close()


def open_page(page: Any, main: str) -> None:
    """Open the page that all pages of ours are made of, with these contents and the script."""
    base = pages.TEMPLATES.get_template("base.html").render()
    text = base.replace('<main id="main">', f'<main id="main">{main}')
    page.route(DESK, lambda route: route.fulfill(body=text, content_type="text/html"))
    page.goto(DESK)
    page.add_script_tag(path=SCRIPT)  # the one that the page itself asks for is not served, and would be a module


def test_who_reads_on_is_not_taken_back_to_what_was_pressed(page: Any) -> None:
    """The page sprang back to the button four times a second, whoever scrolled on."""
    open_page(page, LONG)
    button = page.get_by_role("button", name="Pause")
    button.focus()
    page.evaluate("scrollTo(0, 2000)")
    old = button.element_handle()
    page.evaluate("html => replace(byId('part-bots'), html)", ROWS)
    assert not old.evaluate("each => each.isConnected")
    assert page.evaluate("document.activeElement.dataset.bot") == "a"
    assert page.evaluate("scrollY") == 2000


def test_whose_session_is_over_is_shown_what_to_do(page: Any) -> None:
    """It was said that a token is needed, on a page that has no place for one."""
    page.route(f"{DESK}api/**", lambda route: route.fulfill(status=401, json={"message": "a token is needed"}))
    open_page(page, f'{PARAMETERS}<button data-action="/api/action/stop" data-ask="Is it meant?">Stop</button>')
    page.get_by_role("button", name="Stop").click()
    page.locator("#ask-yes").click()
    page.locator("#said").filter(has_text="Stop was refused: this session is over; load the page again").wait_for()
    page.get_by_role("button", name="Show what changes").click()
    page.locator("#said").filter(has_text="Not possible: this session is over; load the page again").wait_for()


def row(bot: str, action: str, *, is_position: bool = False) -> str:
    subject = f'data-position="{bot}-1"' if is_position else f'data-bot="{bot}"'
    return (
        f'<p><a href="/bots/{bot}">{bot}</a> <button data-action="/api/action/{action}" {subject}>{action}</button></p>'
    )


def test_the_focus_stays_where_a_button_became_another(page: Any) -> None:
    """After Pause by keyboard there was Resume in its place, and the focus was at the beginning of the table."""

    def replaced(rows: str) -> Any:
        page.evaluate("html => replace(byId('part-bots'), html)", f'<div tabindex="0">{rows}</div>')
        return page.evaluate("[document.activeElement.tagName, document.activeElement.textContent]")

    open_page(page, '<div id="part-bots"></div>')
    replaced(row("a", "pause") + row("b", "pause"))
    page.get_by_role("button").last.focus()
    assert replaced(row("a", "pause") + row("b", "resume")) == ["BUTTON", "resume"]
    assert replaced(row("a", "pause"))[0] == "DIV"
    replaced(row("a", "close", is_position=True) + row("b", "close", is_position=True))
    page.get_by_role("button").last.focus()
    assert replaced(row("a", "close", is_position=True))[0] == "DIV"  # and not on the position of another


def test_the_focus_stays_on_a_button_that_was_meant(page: Any) -> None:
    """After each yes by keyboard the focus was nowhere: the button had been disabled until the answer came."""
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        page.evaluate("[...document.querySelectorAll('#main button')].forEach((each) => each.click())")  # meanwhile
        route.fulfill(json={"message": "asked"})

    page.route(f"{DESK}api/**", answer)
    open_page(page, '<button data-action="/api/action/stop" data-ask="Is it meant?">Stop</button>')
    page.get_by_role("button", name="Stop").focus()
    for key in ("Enter", "Tab", "Enter"):
        page.keyboard.press(key)
    page.locator("#said").filter(has_text="Stop: asked").wait_for()
    assert page.evaluate("document.activeElement.dataset.action") == "/api/action/stop"
    assert page.locator("dialog[open]").count() == 0
    assert len(asked) == 1
    page.keyboard.press("Enter")  # it can be pressed again
    page.get_by_role("dialog").wait_for()


def test_one_yes_changes_what_it_was_asked_for_and_nothing_else(page: Any) -> None:
    """Two looks at once asked two questions in one place: the yes to the one was taken for the other as well."""
    asked: list[Any] = []

    def answer(route: Any) -> None:
        asked.append((route.request.url.removeprefix(DESK), json.loads(route.request.post_data)["values"]))
        route.fulfill(json={"text": f"what changes: {asked[-1][1]}", "message": "asked"})

    page.route(f"{DESK}api/**", answer)
    open_page(page, PARAMETERS)
    show, back = (page.get_by_role("button", name=name) for name in ("Show what changes", "As in the file"))
    page.evaluate(
        "([one, two]) => { one.click(); two.click(); one.click(); }", [show.element_handle(), back.element_handle()]
    )
    page.locator("#ask-words").filter(has_text="what changes").wait_for()
    page.wait_for_load_state("networkidle")
    page.locator("#ask-yes").click()
    page.locator("#said").filter(has_text="asked").wait_for()
    page.wait_for_load_state("networkidle")
    delta = {"delta": "0.07"}
    assert asked == [("api/parameters/preview", delta), ("api/parameters", delta)]
    back.click()
    page.locator("#ask-words").filter(has_text="wing").wait_for()  # the next one is asked as ever


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ('data-action="/api/trade/trigger" data-bot="a" data-after="0"', {"bot": "a", "after": 0}),
        ('data-action="/api/action/pause" data-bot="a"', {"bot": "a"}),
        ('data-action="/api/action/close" data-position="a-1"', {"position": "a-1"}),
        ('data-action="/api/action/stop"', {}),
    ],
)
def test_a_press_asks_for_what_its_button_says(page: Any, data: str, body: object) -> None:
    asked: list[Any] = []

    def answer(route: Any) -> None:
        asked.append(json.loads(route.request.post_data))
        route.fulfill(json={"message": "asked"})

    page.route(f"{DESK}api/**", answer)
    open_page(page, f'<button {data} data-ask="Is it meant?">Press</button>')
    page.get_by_role("button", name="Press").click()
    page.locator("#ask-yes").click()
    page.locator("#said").filter(has_text="Press: asked").wait_for()
    assert asked == [body]
