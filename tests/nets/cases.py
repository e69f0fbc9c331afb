"""The nets by name: which days, backtests, sweeps and commands they are made of."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path

from tests.nets import outputs
from tests.nets.days import Day, day_parts
from tests.nets.digests import Parts
from tests.nets.launch import ROOT

SEE = re.compile(r"^#\s+(?:See it \w+: )?rulebot run --paper --sim (.*?)examples/(\w+)\.yaml", re.MULTILINE)
"""A command that an example's comment names: its options and the example."""
MOST_DAYS = 5
"""Sessions of an example at most: some show twenty."""
RECORDED = ("the connection is cut after a fill", "connectivity is lost, data too", "executions are corrected")
HALF_DAY = date(2026, 11, 27)
FRIDAY = date(2026, 10, 23)
SHIPPED = ("calm_tape_condor", "dte0_condor", "put_lite", "spx_spy_parity", "spy_put_seller", "vertical_switch")
SELLERS = ("specs/put_lite.yaml", "specs/spy_put_seller.yaml")
THREE = (*SELLERS, "specs/dte0_condor.yaml")
ALL = tuple(f"specs/{name}.yaml" for name in (*SHIPPED, "micro_buywrite", "monthly_condor"))
SHARES = ("--shares", "SPY=400", "--shares", "QQQ=400")
QUICK = frozenset(
    (
        *("day seed 7: put_lite spy_put_seller", "day killed while an order works", "day iron_fly --market calm"),
        *("day a half day", "day killed with resting orders", "day the connection is cut after a fill"),
        *("day another client closes by hand", "day settle_spy --market trend_down"),
        *("backtest goog mid", "backtest put_lite", "sweep condor turn by turn", "rest of a backtest", "validate"),
    )
)
"""Nets of `--quick`."""


@dataclass(frozen=True)
class Net:
    """One net: its name, and what finds its parts in a folder of its own."""

    name: str
    find: Callable[[Path], Parts]


def example_days() -> Iterator[Day]:
    """Yield a day for each command that an example's comment names."""
    for file in sorted((ROOT / "examples").glob("*.yaml")):
        for options, name in SEE.findall(file.read_text(encoding="utf-8")):
            yield _of_options(name, options.split())
    for name in ("after_earnings", "after_fomc", "earnings_fly", "webhook"):
        yield Day(f"{name}", (f"examples/{name}.yaml",))


def _of_options(name: str, words: list[str]) -> Day:
    given = dict(zip(words[::2], words[1::2], strict=True))
    market = given.get("--market", "")
    return Day(
        " ".join((name, *words)),
        (f"examples/{name}.yaml",),
        seed=int(given.get("--seed", 7)),
        market=str(ROOT / market) if "/" in market else market,
        days=min(int(given.get("--days", 1)), MOST_DAYS),
        shares=given.get("--shares", ""),
        first_day=date.fromisoformat(given.get("--date", "2026-10-21")),
    )


def shipped_days() -> Iterator[Day]:
    """Yield days of the shipped bots, alone and together, on several seeds and markets."""
    yield Day("seed 7: put_lite spy_put_seller", SELLERS)
    for name, seed, market in (
        *(("calm_tape_condor", 1, ""), ("dte0_condor", 3, ""), ("monthly_condor", 5, ""), ("vertical_switch", 3, "")),
        *(("spx_spy_parity", 7, "dislocation"), ("spy_put_seller", 4, "vix_spike"), ("put_lite", 11, "trend_down")),
    ):
        yield Day(f"{name} alone, seed {seed} {market}".strip(), (f"specs/{name}.yaml",), seed=seed, market=market)
    for seed, market in ((1, ""), (11, "whipsaw"), (13, "bad_quotes"), (17, "trend_up")):
        yield Day(f"all bots, seed {seed} {market}".strip(), ALL, seed=seed, market=market, gateway=SHARES)
    yield Day("a half day", THREE, seed=11, first_day=HALF_DAY)
    yield Day("a half day and the week-end behind it", ALL[:5], seed=3, first_day=HALF_DAY, days=2)
    yield Day("over a night", THREE, seed=3, days=2, is_recorded=True)
    yield Day("over a week-end", THREE, seed=5, first_day=FRIDAY, days=2, market="trend_down")


def faulty_days() -> Iterator[Day]:
    """Yield days on which the gateway, the connection, the engine or people go wrong."""
    put, condor = ("specs/put_lite.yaml",), ("specs/calm_tape_condor.yaml",)
    for name, specs, faults in (
        ("the connection is cut after a fill", put, ({"kind": "cut", "on": "fill"},)),
        ("cut in the middle of a report", SELLERS, ({"kind": "cut", "on": "fill", "number": 2, "mid_frame": True},)),
        ("connectivity is lost, data is kept", THREE, (_lost("10:30:02", 1102),)),
        ("connectivity is lost, data too", SELLERS, (_lost("10:30:02"), _lost("12:59:50"))),
        ("three cuts", SELLERS, (_at("cut", "09:31:30"), _at("cut", "10:30:11"), _at("cut", "13:00"))),
        ("an order is swallowed", put, ({"kind": "swallow_order", "on": "order"},)),
        ("an order arrives late", put, ({"kind": "late_order", "on": "order"},)),
        ("no acknowledgement", SELLERS, ({"kind": "lose_ack", "on": "order", "number": "each"},)),
        ("orders are rejected", SELLERS, ({"kind": "reject", "on": "order", "number": 1},)),
        ("one leg of a combo fills", put, ({"kind": "one_leg", "on": "order"},)),
        ("everything is told twice", THREE, ({"kind": "duplicate", "on": "order", "number": "each"},)),
        ("an execution is lost", SELLERS, ({"kind": "lost_execution", "on": "fill", "number": "each"},)),
        ("a leg is told late", put, ({"kind": "late_leg", "on": "fill", "number": "each"},)),
        ("executions are corrected", SELLERS, ({"kind": "correction", "on": "fill", "price_by": -0.05},)),
        ("commissions come late", SELLERS, ({"kind": "late_commission", "on": "fill", "number": "each"},)),
        ("a commission never comes", put, ({"kind": "no_commission", "on": "fill"},)),
        ("cancels are swallowed", condor, ({"kind": "swallow_cancel", "on": "cancel", "number": "each"},)),
        ("a cancelled order fills", condor, ({"kind": "late_fill", "on": "cancel"},)),
        ("an order fills beyond its size", put, ({"kind": "overfill", "on": "fill"},)),
        ("a change becomes a second order", put, ({"kind": "change_doubled", "on": "order"},)),
        ("a preset changes the price", put, ({"kind": "preset", "on": "order"},)),
        ("an order expires early", SELLERS, ({"kind": "expires", "on": "order", "number": "each"},)),
        ("a person closes everything", SELLERS, (_at("person_closes", "11:00:00"),)),
        ("a person adds", SELLERS, (_at("person_adds", "10:40:00"),)),
        ("a person closes a part", SELLERS, (_at("person_closes_part", "11:30:00"),)),
        ("a person cancels all orders", SELLERS, (_at("person_cancels_all", "10:40:00"),)),
        ("a person changes an order", SELLERS, (_at("person_changes", "10:40:00"),)),
        ("another client has an order", SELLERS, (_at("strange_order", "10:40:00"),)),
        ("the broker liquidates", SELLERS, (_at("liquidation", "11:00:00"),)),
        ("an early assignment", ("specs/spy_put_seller.yaml",), (_at("assignment", "11:00:00"),)),
        ("quotes stop and spike", THREE, (_at("no_quote", "10:29:50"), _at("spike", "12:00:00"))),
        ("quotes cross and widen", THREE, (_at("crossed", "10:29:50"), _at("wide_spread", "12:59:50"))),
        ("a halt of ten minutes", SELLERS, ({"kind": "halt", "at": "10:29:00", "seconds": 600},)),
        ("an unannounced early close", THREE, ({"kind": "short_day", "close": "13:00"},)),
        ("the machine sleeps", SELLERS, ({"kind": "time_passes", "at": "10:30:05", "seconds": 900},)),
    ):  # fmt: skip
        yield Day(name, specs, faults=faults, is_recorded=name in RECORDED)


def _at(kind: str, at: str) -> dict[str, object]:
    return {"kind": kind, "at": at}


def _lost(at: str, restored: int = 1101) -> dict[str, object]:
    return {"kind": "lost_connectivity", "at": at, "seconds": 60, "restored": restored}


def restarted_days() -> Iterator[Day]:
    """Yield days on which the engine is killed, or another client trades."""
    seller, wheel = ("specs/spy_put_seller.yaml",), ("examples/resting_put.yaml",)
    yield Day("killed while an order works", SELLERS, kills=("10:30:05",), is_recorded=True)
    yield Day("killed three times, once for five minutes", THREE, kills=("09:31:10", "10:30:20", "13:00:05"), away=300)
    yield Day("killed over the exit", SELLERS, kills=("12:59:50", "13:00:00"), away=2)
    yield Day("killed with resting orders", wheel, market="whipsaw", kills=("10:45:00", "11:30:00"), away=60)
    yield Day("killed before the close and over a night", THREE, seed=3, days=2, kills=("15:50:00", "2 09:45:00"))
    yield Day("all bots are killed twice", ALL[:6], seed=11, kills=("10:31:00", "12:00:00"), away=30)
    yield Day("killed and cut", SELLERS, kills=("10:30:12",), faults=({"kind": "cut", "on": "fill"},))
    yield Day("another client closes by hand", ("specs/put_lite.yaml",), by_hand=("11:00:00",), is_recorded=True)
    yield Day("another client trades against a resting order", seller, by_hand=("10:00:00",))
    yield Day("another client trades, then the engine is killed", SELLERS, by_hand=("11:00:00",), kills=("11:00:30",))


MODEL = "examples/data/daily?dte=0&step=5"
TAPES = "tapes:examples/data/simulated"
GOOG = "examples/data/goog_2015-12-24"
INDEX = "--data model:examples/data/daily?dte=0..40&step=60 --account examples/index/account_limits.yaml"
BACKTESTS = {
    "put_lite": (
        "specs/put_lite.yaml --data examples/data/daily?dte=0..1&step=5 --from 2018-02-05 --to 2018-02-09 --fills mid"
    ),
    "put_lite natural": f"specs/put_lite.yaml --data {MODEL} --from 2018-01-02 --to 2018-03-29",
    "put_lite mid+0.3": f"specs/put_lite.yaml --data {MODEL} --from 2017-01-03 --to 2017-03-31 --fills mid+0.3",
    "dte0_condor": f"specs/dte0_condor.yaml --data {MODEL} --from 2018-03-01 --to 2018-03-05 --fills mid",
    "calm_tape_condor": f"specs/calm_tape_condor.yaml --data {MODEL} --from 2017-08-14 --to 2017-08-16 --fills mid",
    "monthly_condor": (
        "specs/monthly_condor.yaml --data examples/data/daily?dte=28..80&step=5"
        " --from 2018-02-02 --to 2018-02-06 --fills mid"
    ),
    "spy_put_seller": (
        "specs/spy_put_seller.yaml --data examples/data/daily?symbol=SPY&dte=60..120&step=5"
        " --from 2018-01-02 --to 2018-01-03 --fills mid"
    ),
    "spx_spy_parity": f"specs/spx_spy_parity.yaml --data {TAPES}/spx_spy_parity",
    "micro_buywrite": f"specs/micro_buywrite.yaml --data {TAPES}/micro_buywrite --shares SPY=400 --shares QQQ=400",
    "vertical_switch": f"specs/vertical_switch.yaml --data {TAPES}/vertical_switch --fills mid",
    "vertical_switch recorded": f"specs/vertical_switch.yaml --data {TAPES}/vertical_switch --fills recorded",
    "spx_spy_parity recorded": f"specs/spx_spy_parity.yaml --data {TAPES}/spx_spy_parity --fills recorded",
    "goog natural": f"{GOOG}/goog_put_spread.yaml --data {GOOG}",
    "goog mid": f"{GOOG}/goog_put_spread.yaml --data {GOOG} --fills mid",
    "cboe_put": f"examples/index/cboe_put.yaml {INDEX} --from 2005-01-21 --to 2005-04-29 --fills mid",
    "cboe_bxm": f"examples/index/cboe_bxm.yaml {INDEX} --from 2008-09-19 --to 2008-11-28",
    "two bots": (
        f"specs/put_lite.yaml specs/dte0_condor.yaml --data {MODEL} --from 2018-02-01 --to 2018-02-16 --fills mid+0.2"
    ),
}
SWEEPS = {
    "targets of put_lite": (
        f"specs/put_lite.yaml --data {MODEL} --vary exits.target.profit=40,50,60 --from 2018-01-02 --to 2018-03-29"
    ),
    "condor by arrays": (
        f"specs/dte0_condor.yaml --data {MODEL} --vary exits.target.profit=40,50 --vary delta=0.05,0.08"
        " --from 2018-02-01 --to 2018-03-15 --fills mid"
    ),
    "condor turn by turn": (
        f"specs/dte0_condor.yaml --data {MODEL} --vary exits.target.profit=40,50 --from 2018-03-01 --to 2018-03-07"
        " --fills mid --every-turn"
    ),
    "bayes": (
        f"specs/dte0_condor.yaml --data {MODEL} --vary delta=0.04..0.12/0.01 --bayes 6 --batch 2 --for net"
        " --from 2018-02-01 --to 2018-02-15 --fills mid"
    ),
    "walk forward": (
        f"specs/put_lite.yaml --data {MODEL} --vary exits.target.profit=40,60 --from 2018-01-02 --to 2018-04-30"
        " --fills mid --walk-forward 30/15"
    ),
}
CHAOS = {
    "of two sellers": "specs/put_lite.yaml specs/spy_put_seller.yaml --seeds 8 --seed 9000",
    "of a condor": "specs/calm_tape_condor.yaml --seeds 8 --seed 9100",
    "over a night": "specs/put_lite.yaml specs/spy_put_seller.yaml --seeds 4 --seed 9200 --overnight",
}
"""Seeds of `rulebot chaos`: the engine connects again by itself there, which it does not in lockstep."""
RECORDINGS = tuple(f"examples/data/simulated/{name}/2026-10-21.tape" for name in ("spx_spy_parity", "micro_buywrite"))
REST_DAYS = (
    Day("of all bots", ALL, seed=11, gateway=SHARES),
    Day("of two days with a kill", THREE, seed=3, days=2, kills=("10:30:05",)),
)
"""Days whose stores the REST interface shows."""


def documents() -> list[str]:
    """Return the paths of all specs and examples."""
    files = (each for folder in ("specs", "examples") for each in (ROOT / folder).rglob("*.yaml"))
    return sorted(str(each.relative_to(ROOT)) for each in files if "tests" not in each.parts[len(ROOT.parts) :])


def test_documents() -> list[str]:
    """Return the paths of all shipped tests of specs."""
    files = (each for folder in ("specs", "examples") for each in (ROOT / folder / "tests").glob("*.test.yaml"))
    return sorted(str(each.relative_to(ROOT)) for each in files)


def _other_nets() -> Iterator[Net]:
    for name, words in BACKTESTS.items():
        yield Net(f"backtest {name}", partial(outputs.backtest, words.split()))
    for name, words in SWEEPS.items():
        yield Net(f"sweep {name}", partial(outputs.sweep, words.split()))
    for day in REST_DAYS:
        yield Net(f"rest {day.name}", partial(outputs.rest_of_day, day))
    yield Net("rest of a backtest", partial(outputs.rest_of_backtest, BACKTESTS["two bots"].split()))
    for name, words in CHAOS.items():
        yield Net(f"chaos {name}", partial(outputs.chaos, words.split()))
    yield Net("replay of shipped recordings", partial(outputs.replayed, RECORDINGS))
    files = test_documents()
    for number in range(4):
        yield Net(f"spec tests {number + 1}", partial(outputs.spec_tests, files[number::4]))
    yield Net("explain", partial(outputs.explained, documents()))
    yield Net("validate", partial(outputs.validated, documents()))
    yield Net("validate defects", partial(outputs.validated, outputs.defects()))
    for number in range(2):
        yield Net(f"nonsense {number + 1}", partial(outputs.nonsense, number, 2))


@cache
def all_nets() -> tuple[Net, ...]:
    """Return every net; those that take longest come first."""
    days = [*restarted_days(), *shipped_days(), *faulty_days(), *example_days()]
    days.sort(key=lambda each: -each.days * len(each.specs) * (1 + len(each.kills)))
    found = [Net(f"day {each.name}", partial(day_parts, each)) for each in days]
    return (*found, *_other_nets())
