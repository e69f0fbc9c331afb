"""The page whose server falls silent, and presses on it: page.js, run by Node on a stub of a browser."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rulebot.web import pages

SCRIPT = Path(pages.__file__).parent / "static" / "page.js"
NODE = shutil.which("node")
STUB = """
const vm = require("vm"), fs = require("fs");
let now = 0, timers = [], sources = [], selected = false;
const nothing = { addEventListener() {}, querySelectorAll: () => [], querySelector: () => null };
const element = () => ({ dataset: {}, hidden: true, ...nothing });
const lost = { ...element(), textContent: "It is lost." }, body = element();
const clock = { textContent: "2026-10-21 10:47:03" };
const part = { id: "part-bots", innerHTML: "old", contains: () => false, ...nothing };
const listeners = [];
const document = {
  body, getElementById: (id) => (id === "lost" ? lost : element()),
  addEventListener: (kind, call) => listeners.push({ kind, call }),
  querySelectorAll: (what) => (what === "[id^='part-']" ? [part] : []),
  querySelector: (what) => ({ "[data-live]": body, "#part-status time": clock })[what] ?? null,
  getSelection: () => ({ isCollapsed: !selected }),
};
class EventSource {
  static CLOSED = 2;
  constructor() { this.heard = {}; this.readyState = 0; sources.push(this); }
  addEventListener(name, call) { this.heard[name] = call; }
  close() { this.readyState = 2; }
  say(name, data) { if (this.readyState !== 2) this.heard[name]({ data }); }
}
const world = {
  document, EventSource, console, localStorage: {},
  setTimeout: (call, wait = 0) => { timers.push({ at: now + wait, call }); return timers.at(-1); },
  clearTimeout: (timer) => { timers = timers.filter((each) => each !== timer); },
};
const pass = (seconds) => {
  const until = now + seconds * 1000;
  for (;;) {
    const due = timers.filter((each) => each.at <= until).sort((a, b) => a.at - b.at)[0];
    if (!due) break;
    now = due.at; timers = timers.filter((each) => each !== due); due.call();
  }
  now = until;
};
vm.runInNewContext(fs.readFileSync(process.argv[2], "utf8"), world);
const fire = (kind, event) => listeners.filter((each) => each.kind === kind).forEach((each) => each.call(event));
const seen = [];
"""
SILENCE = """
const look = () => seen.push([body.dataset.live, lost.hidden, sources.length]);
sources[0].say("open"); look();
for (let i = 0; i < 10; i++) { pass(15); sources[0].say("beat"); }
look();
pass(50); look();
sources[1].say("open"); look();
pass(50); pass(50); look();
seen.push(lost.textContent);
console.log(JSON.stringify(seen));
"""
PRESSES = """
for (const key of ["Enter", " "]) {
  fire("keydown", { key, repeat: false });
  sources[0].say("bots", `pressed ${key}`); seen.push(part.innerHTML);
  fire("keyup", { key }); pass(0); seen.push(part.innerHTML);
}
const push = (html) => { sources[0].say("bots", html); seen.push(part.innerHTML); };
fire("pointerdown", {}); fire("keyup", { key: "Shift" }); pass(0); push("pressed");
fire("pointerup", {}); pass(0); seen.push(part.innerHTML);
fire("pointerdown", {}); selected = true; fire("selectionchange", {}); fire("pointerup", {}); pass(1); push("copied");
selected = false; fire("pointerdown", {}); fire("pointerup", {}); pass(0); seen.push(part.innerHTML);
for (const detail of [1, 2]) {
  let isPrevented = false;
  const target = { closest: (what) => (what === "#ask-yes" ? target : null) };
  fire("click", { detail, target, preventDefault() { isPrevented = true; } }); seen.push(isPrevented);
}
console.log(JSON.stringify(seen));
"""


REFUSED = """
world.location = { pathname: "/days/2026-10-21", assign: (path) => seen.push(path) };
world.fetch = async () => ({ ok: false, status: 401, text: async () => "a token is needed" });
world.DOMParser = class { parseFromString() { return { getElementById: () => null }; } };
fire("change", { target: { matches: () => true, value: "681" } });
setImmediate(() => console.log(JSON.stringify(seen)));
"""


OLD = """
let told = 0, words = lost.textContent;
Object.defineProperty(lost, "textContent", { get: () => words, set: (now) => { told += 1; words = now; } });
world.fetch = async () => ({ ok: false, status: 503, json: async () => ({ message: "there is no store" }) });
sources[0].readyState = EventSource.CLOSED; sources[0].heard.error();
const answered = () => new Promise((resolve) => setImmediate(resolve));
(async () => {
  for (let i = 0; i < 5; i++) { pass(2); await answered(); }
  console.log(JSON.stringify([told, words]));
})();
"""


UPGRADED = """
let loaded = 0;
world.location = { reload: () => { loaded += 1; } };
body.dataset.made = "one";
for (const made of ["one", "another"]) { sources[0].say("made", made); seen.push(loaded); }
console.log(JSON.stringify(seen));
"""


def seen_of(scenario: str, folder: Path) -> Any:
    if NODE is None:
        pytest.skip("node is not installed")
    (folder / "stub.cjs").write_text(STUB + scenario, encoding="utf-8")
    done = subprocess.run([NODE, folder / "stub.cjs", SCRIPT], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_server_that_says_nothing_any_more_is_lost_and_asked_again(tmp_path: Path) -> None:
    opened, beaten, silent, again, silent_again, words = seen_of(SILENCE, tmp_path)
    assert opened == beaten == ["yes", True, 1]
    assert silent == ["no", False, 2]
    assert again == ["yes", True, 2]
    assert silent_again == ["no", False, 4]
    assert words == "It is lost. What it shows is of 2026-10-21 10:47:03 New York."


def test_a_press_of_the_space_bar_is_not_lost_and_a_double_click_confirms_nothing(tmp_path: Path) -> None:
    """Buttons were replaced under the space bar, four times a second, and the press with them.

    The second click of a double click met Yes, where the question had opened under the pointer: it was asked at once.
    Another key that was let go gave up the press of a pointer. What was selected was gone before it could be copied.
    """
    pressed = ["pressed Enter", "pressed Enter", "pressed Enter", "pressed  "]
    held = ["pressed  ", "pressed", "pressed", "copied"]
    assert seen_of(PRESSES, tmp_path) == [*pressed, *held, False, True]


def test_why_a_page_is_old_is_said_once_while_it_stays_so(tmp_path: Path) -> None:
    """Who has the page read aloud heard the same sentence every two seconds."""
    words = "What the page shows is old: there is no store. It is tried again by itself."
    assert seen_of(OLD, tmp_path) == [2, f"{words} What it shows is of 2026-10-21 10:47:03 New York."]


def test_a_page_that_is_open_over_an_upgrade_is_loaded_again(tmp_path: Path) -> None:
    """Its script was that of before, on parts of the new server: for as long as nobody reloaded it."""
    assert seen_of(UPGRADED, tmp_path) == [0, 1]


def test_an_instant_that_is_refused_is_asked_for_as_a_page(tmp_path: Path) -> None:
    """Once the session was over the slider said that the instant could not be read, and nothing led to the login."""
    assert seen_of(REFUSED, tmp_path) == ["/days/2026-10-21?at=11:21"]


def test_the_server_says_by_an_event_that_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps a connection open as well, and no script hears it; nor an event without data."""
    monkeypatch.setattr(pages, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(pages, "QUIET", 0.02)

    class Still:
        def now(self) -> tuple[int, dict[str, str]]:
            return 1, {"status": "all is well"}

    async def received() -> list[str]:
        looks = iter([False] * 8)

        async def gone() -> bool:
            return next(looks, True)

        return [each async for each in pages._events(Still(), gone)]  # type: ignore[arg-type]

    events = asyncio.run(received())
    assert events[1:3] == [f"event: made\ndata: {pages.MADE}\n\n", "event: status\ndata: all is well\n\n"]
    assert events[3:5] == ["event: beat\ndata: still here\n\n"] * 2
