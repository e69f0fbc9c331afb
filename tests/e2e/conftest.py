"""What several files of whole days look at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.live import environments
from tests.e2e.findings import problems_of
from tests.e2e.test_restart import in_loop, new_york, run_until
from tests.e2e.worlds import run_days, spec_files
from twsim import RunningGateway

RESTARTED = ("put_lite", "spy_put_seller")
"""The bots of the day that two engines live through."""

NEEDED = bool(os.environ.get("RULEBOT_NEEDS_BROWSER"))
"""Set where a browser is owed: then its absence is a fault, and no skip."""


class Lived(NamedTuple):
    """A day, and the store that it left. Nobody changes it."""

    day: CheckedDay
    store: Path


@pytest.fixture(scope="module")
def slow_market() -> Iterator[None]:
    """Let `run --sim` of this process quote every 15 seconds: a day costs a third less."""
    simulated = environments.simulated

    def slowly(settings: environments.SimSettings, client_id: int) -> AbstractAsyncContextManager[environments.World]:
        return simulated(replace(settings, data_seconds=15), client_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environments, "simulated", slowly)
        yield


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Return a day of five bots as it is usually run, which others are compared with."""
    store = tmp_path_factory.mktemp("plain") / "plain.db"
    found = run_days(store.parent, spec_files(), seed=7, data_seconds=15, place=store)
    assert problems_of(found) == []
    return Lived(found, store)


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with two sessions of one bot: `s.db`, and recorded in `s-tapes`. Nobody changes it."""
    folder = tmp_path_factory.mktemp("two-days")
    run_days(folder, spec_files(["put_lite"]), seed=3, days=2, data_seconds=15, tapes=folder / "s-tapes")
    next(folder.glob("*.db")).rename(folder / "s.db")
    return folder


@pytest.fixture(scope="session")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with a day of two engines, one until 10:45, with positions open, and one until 13:50.

    Nobody changes it. The store is `s.db`, recorded in `tapes`.
    """
    folder = tmp_path_factory.mktemp("restarted")

    async def twice(gateway: RunningGateway, folder: Path) -> None:
        for stops in (new_york(10, 45), new_york(13, 50)):
            await run_until(gateway, folder / "s.db", stops, RESTARTED)

    in_loop(twice, folder, seed=3)
    return folder


def browser_path() -> str:
    """Return where Chromium is; skips, or fails where one is owed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert not NEEDED, "no Chromium is installed"
        pytest.skip("needs Chromium")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield Debian's Chromium, driven by playwright: no event loop may begin meanwhile."""
    if not NEEDED:
        pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    path = browser_path()
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-quic", "--disable-component-update"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=quiet)
        yield found
        found.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    """Return a browser of its own for a test that begins event loops."""
    with chromium() as found:
        yield found
