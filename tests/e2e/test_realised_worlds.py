"""Realised volatility of ranges, daily bars and moves of five minutes: a day over TCP, and the same day again.

The numbers that a live day decides by are made anew from the bars that its gateway told. A replay and a past session of
the recording then have every record alike.
"""

from datetime import UTC, date, datetime, time
from itertools import pairwise
from math import fsum, log, sqrt
from pathlib import Path
from statistics import variance

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.recording import EventReceived, play_reported
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE, attached
from rulebot.live.start import Run, RunOptions, execute, open_journal
from rulebot.model.event import BarsReport, Request
from rulebot.model.facts import Bar
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_from
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import listed
from rulebot.store.queries import StoreReader
from tests.e2e.test_four_worlds import Lived, check_worlds, lived_through
from tests.e2e.test_restart import DAY, in_loop, new_york
from tests.e2e.worlds import check_replays
from twsim import RunningGateway

WINDOW = 6
AFTER_A_HALF_DAY = date(2026, 11, 30)
BOT = """rulebot: 1
name: NAME
about: Sells a put spread while what was realised is known.
underlying: SPX
entry:
  window: {from: "10:00", to: "11:00"}
  when:
RULES
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put:  {buy: put,  strike: {below: short_put, by: 20 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "11:30"
  - at_expiry: settle
risk: {max_loss_per_trade: $5000}
"""
ALL = ("parkinson", "yang_zhang", "intraday")


def bot(folder: Path, *estimators: str) -> str:
    """Write a bot that reads each of these, alone and under what is implied; return its file."""
    rules = [f"    - {{name: {each}, rv: {{estimator: {each}, window: {WINDOW}, above: 0.1%}}}}" for each in estimators]
    rules.append(f"    - iv_over_rv: {{estimator: {estimators[0]}, window: {WINDOW}, above: 0.1}}")
    folder.mkdir(exist_ok=True)
    file = folder / f"of_{estimators[0]}.yaml"
    file.write_text(BOT.replace("NAME", file.stem).replace("RULES", "\n".join(rules)))
    return str(file)


def reported(tapes: Path, seconds: int) -> list[BarsReport]:
    """Return the bars that the gateway told, as they were recorded."""
    steps = [step for each in listed(tapes) for step in play_reported((each.file,))]
    events = [step.event for step in steps if isinstance(step, EventReceived)]
    return [each for each in events if isinstance(each, BarsReport) and each.seconds == seconds]


def day_of(bar: Bar) -> date:
    return exchange_date(datetime.fromtimestamp(bar.at, UTC))


def restarted(estimator: str, bars: tuple[Bar, ...], today: date) -> float:
    """Return what an estimator is by its paper, from all bars before a day."""
    bars = tuple(bar for bar in bars if day_of(bar) < today)
    if estimator == "intraday":
        days = sorted({day_of(bar) for bar in bars})[-WINDOW - 1 :]
        sums, last = [], 0.0
        for day in days:
            own = [bar for bar in bars if day_of(bar) == day]
            levels = [own[0].open, *(bar.close for bar in own)]
            sums.append(
                fsum(log(b / a) ** 2 for a, b in pairwise(levels)) + (log(own[0].open / last) ** 2 if last else 0)
            )
            last = own[-1].close
        return sqrt(fsum(sums[1:]) / WINDOW * 252) * 100
    used = bars[-WINDOW:]
    if estimator == "parkinson":
        return sqrt(fsum(log(bar.high / bar.low) ** 2 for bar in used) / (4 * log(2) * WINDOW) * 252) * 100
    o = [log(bar.open / before.close) for before, bar in pairwise(bars[-WINDOW - 1 :])]
    c = [log(bar.close / bar.open) for bar in used]
    u, d = [log(bar.high / bar.open) for bar in used], [log(bar.low / bar.open) for bar in used]
    ranges = fsum(a * (a - z) + b * (b - z) for a, b, z in zip(u, d, c, strict=True)) / WINDOW
    k = 0.34 / (1.34 + (WINDOW + 1) / (WINDOW - 1))
    return sqrt((variance(o) + k * variance(c) + (1 - k) * ranges) * 252) * 100


def check_values(records: list[Record], tapes: Path, today: date, estimators: tuple[str, ...]) -> None:
    """Hold what was decided by against what is made anew of the bars that were told."""
    for estimator in estimators:
        seen = [each.data for each in records if each.kind is Kind.VERDICT and each.data["rule"] == estimator]
        (report, *more) = reported(tapes, 300 if estimator == "intraday" else 86400)
        assert not more, "bars of finished sessions are asked for once"
        value = next(each["value"] for each in seen if each["truth"] is True)
        assert value == pytest.approx(restarted(estimator, report.bars.bars, today), rel=1e-4)


def live(folder: Path, specs: list[str], day: date = DEFAULT_DATE, data_seconds: int = 30) -> Lived:
    until = session_from(day).at(time(11, 40))
    return lived_through(folder, specs, seed=7, first_day=day, data_seconds=data_seconds, until=until)


@pytest.mark.parametrize("estimator", ALL)
def test_a_live_day_decides_by_what_its_gateway_reported(estimator: str, tmp_path: Path) -> None:
    found = live(tmp_path, [bot(tmp_path / "specs", estimator)])
    assert [each.data["what"] for each in found.wire if each.kind is Kind.DECISION and each.data["what"] == "enter"]
    check_values(found.wire, tmp_path / "tapes", DEFAULT_DATE, (estimator,))


@pytest.mark.parametrize("day", [DEFAULT_DATE, AFTER_A_HALF_DAY])
def test_live_and_replay_and_past_are_alike(day: date, tmp_path: Path) -> None:
    found = live(tmp_path, [bot(tmp_path / "specs", *ALL)], day)
    check_values(found.wire, tmp_path / "tapes", day, ALL)
    (text,) = check_worlds(found)
    assert text.startswith("nothing is recorded from 11:")


def test_a_start_within_the_session_reads_the_same(tmp_path: Path) -> None:
    """The bars of today come with those that are asked for then: nothing of them counts."""
    file = bot(tmp_path / "specs", *ALL)

    async def part(gateway: RunningGateway, until: datetime) -> None:
        asked: list[bool] = []

        def watcher(run: Run, at: datetime) -> None:
            if at >= until and not asked:
                asked.append(True)
                run.inbox.ask(Request.STOP)

        options = RunOptions(store=tmp_path / "s.db", logs=None, sessions=None, install="", tapes=tmp_path / "tapes")
        world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
        await execute(load_all_bots([file], {}, None), options, world, lambda run: None, watcher, open_journal)

    async def body(gateway: RunningGateway, _: Path) -> None:
        await part(gateway, new_york(9, 45))
        await part(gateway, new_york(10, 30))

    in_loop(body, tmp_path, seed=7)
    first, second = reported(tmp_path / "tapes", 300)
    opened = session_from(DAY).open.timestamp()
    assert first.at.timestamp() < opened < second.at.timestamp()
    assert (first.bars.bars[-1].at < opened, second.bars.bars[-1].at >= opened) == (True, True)
    with StoreReader(tmp_path / "s.db") as reader:
        records = list(reader.records((Kind.VERDICT,)))
    for estimator in ALL:
        value = next(each.data["value"] for each in records if each.data["rule"] == estimator and each.data["truth"])
        report = reported(tmp_path / "tapes", 300 if estimator == "intraday" else 86400)[-1]
        assert value == pytest.approx(restarted(estimator, report.bars.bars, DAY), rel=1e-4)
    assert check_replays(tmp_path / "tapes")


def test_a_recorded_day_becomes_a_test(tmp_path: Path) -> None:
    file = bot(tmp_path / "specs", "yang_zhang")
    found = live(tmp_path, [file], data_seconds=5)  # a try may work for as long as its conditions are known
    entered = next(each.at for each in found.wire if each.kind is Kind.DECISION and each.data["what"] == "enter")
    moment = f"{entered.astimezone(EXCHANGE_ZONE):%H:%M}"
    tape = str(listed(tmp_path / "tapes")[0].file)
    done = CliRunner().invoke(main, ["replay", tape, "--as-test", moment, "--bot", "of_yang_zhang"])
    assert done.exit_code == 0, done.output
    assert "rv: " in done.output
