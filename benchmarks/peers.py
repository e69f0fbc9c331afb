"""Goals 8 and 9: the task over past sessions beside nautilus_trader and backtrader, by minutes and quote by quote.

All read the same files; the other engines run in processes of their own (`peer.py`). Everybody's trades must be equal
to those of a program by hand that is woken as often, or the run fails.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.anchors import install
from benchmarks.engine_desk import compiled
from benchmarks.measure import Goal, Rounds, quiet_collector
from benchmarks.past import MINUTES, STRIKES, by_engine, by_hand, make_days
from benchmarks.peer import Answer, Peer, Trade
from benchmarks.task import Task
from benchmarks.ticks import by_levels, by_prototype, live, make_ticks

ROUNDS, DAYS = 5, 20
OF_NAUTILUS, OF_BACKTRADER = 5, 1
"""Sessions of minutes that each is given: of what takes long fewer, told by the session."""
SEEDS = (11, 12, 13)
"""Sessions quote by quote."""
TASK = Task("t_000")
MISSING = "it cannot be installed here"

Contender = tuple[int, Callable[[], Answer], list[Trade]]
"""How many sessions, how they are run, and what trades must come of it."""


def measure() -> list[Goal]:
    """Return the goals beside other engines."""
    with TemporaryDirectory() as place, ExitStack() as ends:
        minutes, ticks = Path(place) / "minutes", Path(place) / "ticks"
        for folder in (minutes, ticks):
            folder.mkdir()
        make_days(minutes, DAYS)
        make_ticks(ticks, SEEDS)
        nautilus, backtrader = (_started(name, ends) for name in ("nautilus_trader", "backtrader"))
        return [*_by_minutes(minutes, nautilus, backtrader), *_by_quotes(sorted(ticks.iterdir()), nautilus)]


def _started(package: str, ends: ExitStack) -> Peer | None:
    if not install(package):
        return None
    return ends.enter_context(Peer(f"benchmarks.peer_{package.removesuffix('_trader')}"))


def _by_minutes(folder: Path, nautilus: Peer | None, backtrader: Peer | None) -> list[Goal]:
    files = sorted(file for file in folder.glob("*.parquet") if ".levels" not in file.name)
    program = compiled([TASK])
    contenders: dict[str, Contender] = {
        "engine": (DAYS, lambda: _timed(lambda: by_engine(folder, program)[0]), by_hand(files, TASK))
    }
    for name, peer, count in (("nautilus", nautilus, OF_NAUTILUS), ("backtrader", backtrader, OF_BACKTRADER)):
        if peer is not None:
            few = files[:count]
            contenders[name] = count, partial(peer.run, "minutes", few), by_hand(few, TASK)
    found = _alternate(contenders)
    how = (
        f"{DAYS} sessions of {MINUTES} minutes x {2 * STRIKES} options from Parquet for us, {OF_NAUTILUS} for "
        f"nautilus_trader, {OF_BACKTRADER} for backtrader, told by the session: read, converted and run, in processor "
        "time; imports, the spec's compilation and a first run are not counted"
    )

    def faster(what: str, name: str, floor: float, stretch: float) -> Goal:
        figure = found.ratio(name, "engine") if name in contenders else None
        note = _note(found, contenders, name)
        return Goal("8", what, how, figure, floor=floor, stretch=stretch, at_most=False, note=note)

    return [
        faster("a backtest by minutes, orders, fills and trace included: faster than nautilus_trader by", "nautilus",
               60, 150),
        faster("the same: faster than backtrader by", "backtrader", 400, 1000),
    ]  # fmt: skip


def _by_quotes(files: Sequence[Path], nautilus: Peer | None) -> list[Goal]:
    program, count = compiled([TASK]), len(files)

    def trades(way: Callable[[Path], list[Trade]]) -> list[Trade]:
        return [trade for file in files for trade in way(file)]

    def ours() -> Answer:
        return _timed(lambda: trades(lambda file: live(file, program)))

    by_quote = trades(lambda file: by_prototype(file, TASK))
    by_level = trades(lambda file: by_levels(file, TASK))
    contenders: dict[str, Contender] = {"engine": (count, ours, by_quote)}
    if nautilus is not None:
        contenders["nautilus"] = count, partial(_each, nautilus, "ticks", files), by_level
        contenders["nautilus at every quote"] = count, partial(_each, nautilus, "every", files), by_quote
    found = _alternate(contenders)
    how = (
        f"{count} sessions of 96,720 quotes from the same Parquet files, in processor time: for us a board written "
        "and a turn made of each, orders, fills and trace included; nautilus_trader's strategy reads its cache when "
        "VIX is quoted, four times a minute, or hears every quote and judges at those that concern it"
    )

    def slower(what: str, name: str) -> Goal:
        figure = found.ratio("engine", name) if name in contenders else None
        return Goal("9", what, how, figure, floor=1, stretch=0.3, note=_note(found, contenders, name))

    return [
        slower("a backtest quote by quote, beside nautilus_trader that reads its cache", "nautilus"),
        slower("the same beside nautilus_trader that hears every quote, as we do", "nautilus at every quote"),
    ]


def _each(peer: Peer, how: str, files: Sequence[Path]) -> Answer:
    answers = [peer.run(how, [file]) for file in files]
    return Answer(sum(each.seconds for each in answers), [trade for each in answers for trade in each.trades])


def _timed(run: Callable[[], list[Trade]]) -> Answer:
    began = time.process_time()
    trades = run()
    return Answer(time.process_time() - began, trades)


def _alternate(contenders: Mapping[str, Contender]) -> Rounds:
    """Return the seconds of a session of each, round by round. Raises: AssertionError when trades differ."""
    found = Rounds()
    with quiet_collector():
        for number in range(ROUNDS + 1):
            for name, (count, run, wanted) in contenders.items():
                answer = run()
                if answer.trades != wanted:
                    raise AssertionError(f"the trades of {name} differ: {sorted(set(answer.trades) ^ set(wanted))}")
                if number:
                    found.add(name, answer.seconds / count)
    return found


def _note(found: Rounds, contenders: Mapping[str, Contender], name: str) -> str:
    if name not in contenders:
        return MISSING
    shown = ", ".join(f"{each} {found.median(each) * 1e3:,.0f} ms a session" for each in ("engine", name))
    return f"{shown}; trades equal to those by hand: {len(contenders[name][2])}"
