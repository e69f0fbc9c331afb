"""The page whose server falls silent without closing the connection: page.js, run by Node on a stub of a browser."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.web import pages

SCRIPT = Path(pages.__file__).parent / "static" / "page.js"
NODE = shutil.which("node")
STUB = """
const vm = require("vm"), fs = require("fs");
let now = 0, timers = [], sources = [];
const nothing = { addEventListener() {}, querySelectorAll: () => [], querySelector: () => null };
const element = () => ({ dataset: {}, hidden: true, ...nothing });
const lost = element(), body = element();
const document = {
  body, getElementById: (id) => (id === "lost" ? lost : element()), addEventListener() {},
  querySelectorAll: () => [], querySelector: (what) => (what === "[data-live]" ? body : null),
};
class EventSource {
  static CLOSED = 2;
  constructor() { this.heard = {}; this.readyState = 0; sources.push(this); }
  addEventListener(name, call) { this.heard[name] = call; }
  close() { this.readyState = 2; }
  say(name) { if (this.readyState !== 2) this.heard[name]({}); }
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
const seen = [];
const look = () => seen.push([body.dataset.live, lost.hidden, sources.length]);
sources[0].say("open"); look();
for (let i = 0; i < 10; i++) { pass(15); sources[0].say("beat"); }
look();
pass(50); look();
sources[1].say("open"); look();
pass(50); pass(50); look();
console.log(JSON.stringify(seen));
"""


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_server_that_says_nothing_any_more_is_lost_and_asked_again(tmp_path: Path) -> None:
    assert NODE is not None
    (tmp_path / "stub.cjs").write_text(STUB, encoding="utf-8")
    done = subprocess.run(
        [NODE, tmp_path / "stub.cjs", SCRIPT], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    opened, beaten, silent, again, silent_again = json.loads(done.stdout)
    assert opened == beaten == ["yes", True, 1]
    assert silent == ["no", False, 2]
    assert again == ["yes", True, 2]
    assert silent_again == ["no", False, 4]


def test_the_server_says_by_an_event_that_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps a connection open as well, and no script hears it; nor an event without data."""
    monkeypatch.setattr(pages, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(pages, "QUIET", 0.02)

    class Still:
        def now(self) -> tuple[int, dict[str, str]]:
            return 1, {"status": "all is well"}

    async def heard() -> list[str]:
        looks = iter([False] * 8)

        async def gone() -> bool:
            return next(looks, True)

        return [each async for each in pages._events(Still(), gone)]  # type: ignore[arg-type]

    events = asyncio.run(heard())
    assert events[1] == "event: status\ndata: all is well\n\n"
    assert events[2:4] == ["event: beat\ndata: still here\n\n"] * 2
