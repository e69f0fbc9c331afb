"""A person at the page, in a real browser, through a simulated day: sees, reads why, pauses, closes, loses the server.

Screenshots go to the folder that RULEBOT_SCREENSHOTS names, else to the test's own.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from store_day import small_day

from rulebot.cli.main import main
from rulebot.narrate.positions import ShownLeg
from rulebot.narrate.snapshot import BotActivity, BotSnapshot, PositionSnapshot, SymbolGreeks
from rulebot.pages import look
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of
from rulebot.web import pages
from tests.e2e.conftest import NEEDED
from tests.e2e.worlds import run_days, spec_files
from tests.scan_rows import kept, row

TOKEN = "a-token-of-a-browser-test"
PATIENCE = 90_000
"""Milliseconds that anything on the page may take on a slow machine."""
TIMES = 6
"""How often an entry by hand is asked for at most, where its tries meet no price."""
FILLED = "put_lite filled: sold 5915/5925p"
"""What the page tells once the row of the scan is entered: its strikes, not those that the bot would choose."""
BOTS = ("dte0_condor", "put_lite", "spy_put_seller")
FATAL = ("serious", "critical")
PAGES = (
    ("page", ""),
    ("bot", "bots/dte0_condor"),
    ("trade", "trades/1"),
    ("scan", "scan"),
    ("preview", "preview/put_lite"),
    ("days", "days"),
    ("day", "days/2026-10-21?at=10:31"),
)
"""Names and paths of the pages that are judged."""
PAPER = ({"width": 718, "height": 1050}, {"width": 1050, "height": 718})
"""A sheet of A4 inside its margins, upright and on its side."""
CUT = """[...document.querySelectorAll(".scroll, .events, pre")]
    .filter(each => each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)
    .map(each => `${each.ariaLabel}: ${each.scrollWidth} of ${each.clientWidth}`)"""
"""Tables, lists and texts of which a part is out of sight."""
OPENED, LATER = datetime(2026, 10, 21, 13, 45, tzinfo=UTC), datetime(2026, 10, 22, 14, tzinfo=UTC)
"""When a position was opened, and a time of the next session."""
UNDER_HEADER = """document.querySelector("#why h2").getBoundingClientRect().top
    - document.querySelector("header").getBoundingClientRect().bottom"""
"""How far below the line at the top a heading stands that a link leads to."""


def axe_script() -> Path:
    """Return axe-core's script: RULEBOT_AXE, else what npm has installed here."""
    found = Path(os.environ.get("RULEBOT_AXE") or Path("node_modules", "axe-core", "axe.min.js"))
    if not found.is_file():
        assert not NEEDED, "axe-core is not installed"
        pytest.skip("needs axe-core (npm install axe-core), or RULEBOT_AXE")
    return found


class Desk:
    """A rulebot process with a page."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        environment = {**os.environ, "RULEBOT_WEB_TOKEN": TOKEN, "RULEBOT_DATA": str(folder), "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rulebot.cli.main", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"page (http\S+)", line):
                self.address = found[1]
                return
        raise AssertionError("".join(said))

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it, and wait."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            self.process.communicate(timeout=30)
        self.process.kill()


@contextmanager
def desk(folder: Path, *arguments: str) -> Iterator[Desk]:
    """Run a rulebot process with a page."""
    found = Desk(folder, *arguments)
    try:
        yield found
    finally:
        found.end()


def keep_scan(folder: Path) -> None:
    """Keep a scan of `put_lite`, as `rulebot scan` does in this folder."""
    legs = tuple(
        ShownLeg(
            name=name,
            side=side,
            symbol="SPX",
            trading_class="SPXW",
            right="put",
            strike=strike,
            expiry="2026-10-21",
            ratio=1,
            bid=bid,
            ask=bid + 0.1,
            delta=-0.08,
        )
        for name, side, strike, bid in (("short_put", "sell", "5925", 2.45), ("long_put", "buy", "5915", 1.85))
    )
    found = row("SPX", bot="put_lite", structure="5915/5925p", price=0.60, legs=legs, levels={"SPX": 5981.0}, place=1)
    kept(replace(found, commission=2.68), path=folder / "scans.db")


def sign_in(page: Any, address: str) -> None:
    """Give the token, once it is asked for."""
    page.goto(address)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()


def meant(page: Any, button: str, *, row: str = "") -> None:
    """Press a button and say yes to what it asks."""
    place = page.get_by_role("row").filter(has_text=row) if row else page
    place.get_by_role("button", name=re.compile(rf"^{button}( |$)")).first.click()
    page.locator("#ask-yes").click()


@pytest.mark.long
@pytest.mark.timeout(420)
def test_ci_a_person_lives_through_a_day(tmp_path: Path, browser: Any) -> None:
    from playwright.sync_api import expect

    shots = Path(os.environ.get("RULEBOT_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    store = tmp_path / "day.db"
    keep_scan(tmp_path)
    errors: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    expect.set_options(timeout=PATIENCE)
    run = (
        "serve",
        "--paper",
        "--sim",
        "--seed",
        "7",
        "--speed",
        "120",
        "--plain",
        "--port",
        "0",
        "--store",
        str(store),
    )
    with desk(tmp_path, *run, *spec_files(BOTS)) as serving:
        sign_in(page, serving.address)
        expect(page.locator("#part-status")).to_contain_text("connected")
        expect(page.locator("#part-status")).to_contain_text("running")
        clock = page.locator("#part-status time").inner_text()

        pause = (
            page.get_by_role("row").filter(has_text="put_lite").get_by_role("button", name="Pause put_lite", exact=True)
        )
        pause.focus()
        pressed = pause.element_handle()
        page.keyboard.press("Enter")
        while pressed.evaluate("each => each.isConnected"):  # until the rows behind the question are new ones
            page.wait_for_timeout(50)
        page.keyboard.press("Escape")
        expect(pause).to_be_focused()
        page.keyboard.down(" ")
        page.wait_for_timeout(500)  # the rows are sent anew meanwhile
        page.keyboard.up(" ")
        page.locator("#ask-yes").dispatch_event("click", {"detail": 2})  # the second one of a double click
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")

        meant(page, "Pause", row="put_lite")
        expect(page.locator("#said")).to_contain_text("put_lite is asked to enter nothing more")
        expect(page.get_by_role("row").filter(has_text="put_lite").first).to_contain_text("paused")

        expect(page.locator("#part-positions")).to_contain_text("spy_put_seller")  # an entry appears by itself
        expect(page.locator("#part-positions")).to_contain_text("dte0_condor")
        expect(page.locator("#part-events")).to_contain_text("filled: sold")
        assert page.locator("#part-status time").inner_text() > clock
        page.screenshot(path=shots / "open.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 800})
        assert (
            page.locator(".of-positions .scroll:not(.greek)").evaluate("each => each.scrollWidth - each.clientWidth")
            <= 0
        )
        page.set_viewport_size({"width": 1440, "height": 1000})

        meant(page, "Resume", row="put_lite")
        expect(page.get_by_role("row").filter(has_text="put_lite").first).not_to_contain_text("paused")
        for _ in range(
            TIMES
        ):  # whether the tries of an entry meet a price hangs on the minute, and that on the machine
            page.goto(f"{serving.address}scan")
            page.get_by_role("row").filter(has_text="put_lite").get_by_role("link", name="Preview").click()  # click one
            expect(page.locator("svg.payoff")).to_have_count(1)
            page.screenshot(path=shots / "preview.png", full_page=True)
            page.get_by_role("button", name="Enter put_lite", exact=True).click()  # two
            expect(page.get_by_role("dialog")).to_contain_text(
                "enters SPX 5915/5925p 2026-10-21 at once, and no other structure"
            )
            page.locator("#ask-yes").click()  # three: an hour before its window
            expect(page.locator("#said")).to_contain_text("put_lite is asked to enter at once")
            page.goto(serving.address)
            with suppress(AssertionError):
                expect(page.locator("#part-events")).to_contain_text(FILLED, timeout=PATIENCE / TIMES)
                break
        expect(page.locator("#part-events")).to_contain_text(FILLED)
        meant(page, "Close", row="spy_put_seller")
        expect(page.locator("#part-trades")).to_contain_text("flattened")
        assert "active" in page.locator("#part-status").inner_text()

        page.get_by_role("link", name="dte0_condor").first.click()
        expect(page.locator("main")).to_contain_text("All conditions held at 09:45:00")
        expect(page.locator(".states .lit")).to_have_count(1)
        expect(page.locator("svg.chart a")).not_to_have_count(0)  # its entry is drawn, and leads to its line
        page.locator("svg.chart a").first.click()
        assert page.url.endswith("#mark-1")
        expect(page.locator("#mark-1")).to_contain_text("entry: sold")
        page.get_by_label("another value of delta").fill("0.10")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.get_by_role("dialog")).to_contain_text("0.06 -> 0.10")
        page.screenshot(path=shots / "bot.png")
        page.locator("#ask-yes").click()
        expect(page.locator("#said")).to_contain_text("dte0_condor is asked to take it up")
        page.goto(serving.address)
        expect(page.locator("#part-events")).to_contain_text("reloaded: dte0_condor changed")

        page.get_by_role("button", name="Close all").click()
        expect(page.get_by_role("dialog")).to_contain_text("every open position is closed")
        page.get_by_role("button", name="Do nothing").click()
        expect(page.locator("#part-status")).to_contain_text("active")
        meant(page, "Close all")
        expect(page.locator("#part-status")).to_contain_text("reducing")
        expect(page.locator("#part-positions")).to_contain_text("Nothing is open.")
        expect(page.locator("#part-trades tbody tr").first.locator("td").last).not_to_be_empty()
        page.screenshot(path=shots / "closed.png", full_page=True)
        assert errors == []

        lit = page.locator("#part-status .light.on").evaluate("each => getComputedStyle(each).backgroundColor")
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        serving.end(signal.SIGKILL)
        expect(page.locator("#lost")).to_be_in_viewport()
        expect(page.locator("#lost")).to_contain_text("is of 2026-10-21 ")
        expect(page.locator("#part-status .light")).not_to_have_css("background-color", lit)  # nobody knows any more
        page.screenshot(path=shots / "lost.png")
    port = serving.address.rstrip("/").rpartition(":")[2]
    with desk(tmp_path, "web", "--store", str(store), "--port", port):
        expect(page.locator("#lost")).to_be_hidden()  # the page asks again by itself, and its session is still good
        expect(page.locator("#part-status")).to_contain_text("stopped")
        expect(page.locator("#part-bots")).to_contain_text("spy_put_seller")
        page.screenshot(path=shots / "store.png", full_page=True)
    lost = [text for text in errors if "ERR_CONNECTION" not in text and "ERR_INCOMPLETE" not in text]
    assert [text for text in lost if "401" not in text] == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ci_every_number_of_a_spec_is_edited_on_a_telephone(tmp_path: Path, browser: Any) -> None:
    """What cannot stand is said at its number; what can is shown first, written with comments kept, and taken up."""
    from playwright.sync_api import expect

    folder = tmp_path / "specs"
    folder.mkdir()
    spec = Path(shutil.copy(spec_files(("dte0_condor",))[0], folder))
    before = spec.read_text()
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    store = str(tmp_path / "day.db")
    run = ("serve", "--paper", "--sim", "--seed", "7", "--speed", "60", "--plain", "--port", "0", "--store", store)
    with desk(tmp_path, *run, str(spec)) as serving:
        sign_in(page, serving.address)
        expect(page.locator("#part-status")).to_contain_text("connected")
        page.goto(f"{serving.address}bots/dte0_condor")
        expect(page.locator("form.numbers li")).to_have_count(21)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        target = page.get_by_label("exits[4].target.profit")
        target.fill("much")
        page.get_by_role("button", name="Look at the difference").click()
        expect(page.locator("li", has=target).locator(".problem")).to_contain_text("is 'much'")
        expect(target).to_have_attribute("aria-invalid", "true")
        target.fill("40%")
        page.get_by_label("entry.per_day").fill("2")
        page.get_by_role("button", name="Look at the difference").click()
        expect(page.get_by_role("dialog")).to_contain_text("(!) entry.per_day  1 -> 2")
        expect(page.get_by_role("dialog")).to_contain_text("Worst case")
        assert spec.read_text() == before
        page.locator("#ask-yes").click()
        expect(page.locator("#said")).to_contain_text("is saved; dte0_condor is asked to take it up")
        expect(page.get_by_label("exits[4].target.profit")).to_have_attribute("data-now", "40%")
        after = before.replace("profit: 50%", "profit: 40%").replace("per_day: 1", "per_day: 2")
        assert spec.read_text() == after
        page.goto(serving.address)
        expect(page.locator("#part-events")).to_contain_text("reloaded: dte0_condor changed")
        expect(page.locator("#part-events")).to_contain_text(
            "dte0_condor edited on the page, from 127.0.0.1: entry.per_day"
        )
    assert errors == []


@pytest.mark.long
def test_ci_what_was_never_answered_may_have_been_asked_for(tmp_path: Path, browser: Any) -> None:
    """It was said that nothing was asked for, and a second press was a second request."""
    from playwright.sync_api import expect

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page, store = browser.new_page(), tmp_path / "day.db"
    page.route("**/api/action/stop", lose)
    with closing(SqlJournal(open_store(store))) as journal:
        journal.append(small_day(), durable=True)
        with desk(tmp_path, "web", "--store", str(store), "--port", "0") as serving:
            sign_in(page, serving.address)
            meant(page, "Stop")
            expect(page.locator("#said")).to_contain_text("Stop: no answer came, and it may have been asked for")
            meant(page, "Log out")
            expect(page).to_have_url(f"{serving.address}login")
            sign_in(page, f"{serving.address}trades/1")
            expect(page).to_have_url(f"{serving.address}trades/1")
        assert len(box_of(store).found()) == 1


@pytest.mark.parametrize("width", [1280, 1440, 1600])
def test_a_long_name_hides_no_column_of_what_is_open(width: int, browser: Any) -> None:
    """Above 1440 pixels nothing was broken into lines, and up to five columns lay beyond the right edge."""
    row = PositionSnapshot(
        id="a-20261021-1",
        bot="a_bot_with_a_name_of_just_forty_letters1",
        structure="5890/5900p 6035/6045c 2026-10-21",
        state="open",
        opened_at=OPENED,
        dte=0,
        entry=0.55,
        mid=0.42,
        profit=-1253.71,
        exits="target 0.28 (now 0.42); stop 1.10",
        max_loss=12945.0,
        at_target=1127.0,
        at_stop=-1255.0,
        underlyings=(SymbolGreeks("SPX", -123.4, -123.4, -123.4, -123.4, price=6012.34),),
    )
    sums = {"without_target": 0, "without_stop": 0, "at_targets": 1127.0, "at_stops": -1255.0, "max_loss": 12945.0}
    greeks = dict.fromkeys(("delta", "gamma", "theta", "vega"), -123.4)
    held = (SymbolGreeks("SPX", price=6012.34, beta=1.0, **greeks), SymbolGreeks("GOOGL", price=None, **greeks))
    across = {"underlyings": held, "dollar_greeks": greeks, "spx_delta": None, "without_beta": ("GOOGL",)}
    picture = SimpleNamespace(
        positions=(row,), engine="running", at=LATER, profit=-1253.71, greeks=greeks, **across, **sums
    )
    words, known = SimpleNamespace(close="close {} of {}".format), SimpleNamespace(open_trades={row.id: 123})
    template = pages.TEMPLATES.get_template("parts/positions.html")
    shown = template.render(picture=picture, shown=known, words=words)
    style = look() + (Path(pages.__file__).parent / "static" / "page.css").read_text(encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(f'<style>{style}</style><main><section class="card of-positions">{shown}</section></main>')
    widest = "all => Math.max(...all.map(each => each.scrollWidth - each.clientWidth))"
    assert page.locator(".scroll").count() == 2
    assert page.locator(".scroll").evaluate_all(widest) <= 0


def test_a_long_name_and_a_condor_hide_no_button_of_a_bot(browser: Any) -> None:
    """On a screen of 1280 pixels Pause lay beyond the table's right edge."""
    left = BotSnapshot(
        bot="a_bot_with_a_name_of_just_forty_letters1",
        doing=BotActivity.EXITING,
        since=OPENED,
        structure="6045c of 5890/5900p 6035/6045c 0.55",
        profit=-1253.71,
        waits="target 0.28 (now 0.35); stop 1.10; time 15:45; breach within 15 pts (now 57.4)",
    )
    picture = SimpleNamespace(
        bots=(left, replace(left, doing=BotActivity.WATCHING)), engine="running", trading="active", at=LATER
    )
    known = SimpleNamespace(entries={})
    shown = pages.TEMPLATES.get_template("parts/bots.html").render(picture=picture, shown=known)
    style = look() + (Path(pages.__file__).parent / "static" / "page.css").read_text(encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_content(f'<style>{style}</style><main><section class="card of-bots">{shown}</section></main>')
    assert page.locator(".scroll").evaluate("each => each.scrollWidth - each.clientWidth") <= 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ci_the_page_can_be_used_by_everybody(tmp_path: Path, browser: Any) -> None:
    """Nothing serious for axe, in light and dark, at 390 and 1440 pixels, and nothing wider than the screen.

    On paper what bots wait for, the last columns of positions and the ends of long lists were cut off.
    """
    axe = axe_script()
    shots = Path(os.environ.get("RULEBOT_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    store = tmp_path / "day.db"
    with ThreadPoolExecutor(1) as elsewhere:  # the browser's own event loop runs in this thread
        elsewhere.submit(
            run_days,
            tmp_path,
            spec_files(BOTS),
            seed=7,
            data_seconds=60,
            place=store,
            tapes=tmp_path / "day-tapes",
        ).result()
    keep_scan(tmp_path)
    with desk(tmp_path, "web", "--store", str(store), "--port", "0") as serving:
        for scheme, width in (("light", 1440), ("dark", 390)):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
            )
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            sign_in(page, serving.address)
            page.wait_for_selector("#part-bots table")
            for name, path in PAGES:
                page.goto(serving.address + path, wait_until="domcontentloaded")
                if name == "day":
                    page.wait_for_selector("#moment")
                page.add_script_tag(path=axe)
                found = page.evaluate("() => axe.run()")
                grave = [(each["id"], each["help"]) for each in found["violations"] if each["impact"] in FATAL]
                assert grave == [], (name, scheme, width)
                wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
                assert wide <= 0, (name, width)
                page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
                page.emulate_media(media="print")
                page.set_viewport_size(PAPER[name == "scan"])
                assert page.evaluate(CUT) == [], (name, scheme)
                page.emulate_media(media="screen")
                page.set_viewport_size({"width": width, "height": 900})
            page.goto(f"{serving.address}bots/dte0_condor#why")
            assert page.evaluate(UNDER_HEADER) >= 0  # of a link to it the heading was hidden
            for path in ("bots/dte0_condor", "trades"):
                page.goto(serving.address + path)
                page.locator("h1, main p, option").evaluate_all(
                    "all => all.forEach(each => each.append('_as_long_as_may_be'.repeat(3)))"
                )
                wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
                assert wide <= 0, (path, width)
            context.close()


SMALLEST = "Math.min(...[...document.querySelectorAll('svg text')].map(each => each.getBoundingClientRect().height))"
"""How tall the smallest words of drawings are."""


def test_ci_a_report_of_backtests_shows_all_of_its_figures(tmp_path: Path, browser: Any) -> None:
    """The Sharpe ratio of a comparison was cut off at 1280 pixels; at 400 the path of the data pushed the page out.

    There the words of drawings had four pixels.
    """
    data = shipped("examples") / "data" / "goog_2015-12-24"
    stores = [tmp_path / f"a_store_with_a_name_{name}.db" for name in ("one", "two")]
    pages = [tmp_path / "one.html", tmp_path / "both.html"]
    for store, page in zip(stores, (pages[:1], []), strict=True):
        out = [part for each in page for part in ("--out", str(each))]
        asked = ("backtest", str(data / "goog_put_spread.yaml"), "--data", str(data), "--store", str(store), *out)
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 0, done.output
    compared = [part for store in stores for part in ("--compare", str(store))]
    assert CliRunner().invoke(main, ["backtest", *compared, "--out", str(pages[1])]).exit_code == 0
    for file in pages:
        for width in (1280, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (file.name, width)
            cut = "[...document.querySelectorAll('.wide')].filter(each => each.scrollWidth > each.clientWidth).length"
            if width == 1280:
                assert page.evaluate(cut) == 0, file.name
            assert page.evaluate(SMALLEST) >= 9, (file.name, width)
            page.close()
