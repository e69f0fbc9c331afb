"""Find the parts of nets in several processes, and compare them with kept digests."""

import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.nets.cases import QUICK, Net, all_nets
from tests.nets.digests import Parts, digest_of, first_difference, read_digests, write_digests

FILE = Path(__file__).with_name("digests.json")


def find(name: str) -> tuple[Parts, float]:
    """Find the parts of one net; return them and the seconds it took. What fails is a part of its own."""
    began = time.perf_counter()
    net = next(each for each in all_nets() if each.name == name)
    with tempfile.TemporaryDirectory(prefix="rulebot-nets-") as folder:
        try:
            found = net.find(Path(folder))
        except Exception:
            found = {"failed": traceback.format_exc().splitlines()}
    return found, time.perf_counter() - began


def problems_of(found: Parts, kept: dict[str, str]) -> list[str]:
    """Return in what the parts of a net differ from what was kept of them."""
    if "failed" in found:
        return ["the net failed", *found["failed"]]
    gone = [f"{part} is gone" for part in sorted(kept.keys() - found.keys())]
    return gone + [f"{part}: {said}" for part, lines in found.items() if (said := _difference(kept.get(part), lines))]


def _difference(kept: str | None, lines: list[str]) -> str | None:
    return "nothing was kept of it (--write)" if kept is None else first_difference(kept, lines)


def chosen(names: Sequence[str], *, quick: bool) -> list[Net]:
    """Return the nets whose name begins with one of these, or all."""
    found = [each for each in all_nets() if each.name in QUICK or not quick]
    return [each for each in found if not names or any(each.name.startswith(name) for name in names)]


def save_texts(folder: Path, name: str, found: Parts) -> None:
    """Write the parts of a net as texts, for `diff`."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, lines in found.items():
        (folder / f"{name.replace('/', '_')}.{part}.txt").write_text("\n".join((*lines, "")), encoding="utf-8")


def run(nets: Sequence[Net], *, is_write: bool, texts: Path | None, processes: int) -> int:
    """Find all parts of these nets, and compare or keep them; return how many nets differ or failed."""
    names = {each.name for each in all_nets()}
    kept = {name: parts for name, parts in read_digests(FILE).items() if name in names}
    wrong = 0
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = {pool.submit(find, each.name): each.name for each in nets}
        for task in as_completed(tasks):
            name = tasks[task]
            found, seconds = task.result()
            if texts:
                save_texts(texts, name, found)
            problems = problems_of(found, kept.get(name, {}))
            if is_write and "failed" not in found:
                kept[name] = {part: digest_of(lines) for part, lines in found.items()}
                write_digests(FILE, kept)
            wrong += bool(problems)
            print(f"{'differs' if problems else 'equal':8}{seconds:6.1f} s  {name}", flush=True)
            for each in problems:
                print(f"    {each}", flush=True)
    return wrong
