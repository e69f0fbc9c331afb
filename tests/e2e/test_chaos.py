"""`rulebot chaos`: the same seed is the same trial, what is wrong is seen, and the shipped bots come through.

By default a few seeds; `pytest -m long -k ci` runs more, `pytest -m long` many. CI runs those that come through beside
all else at the lowest priority, so they may take long.
"""

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.chaos.generator import CHOICE, NEED_TIME, draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario, run_scenario_over_sockets
from rulebot.chaos.scenario import ChaosScenario, Crash, ScenarioMoment
from rulebot.chaos.seeds import try_storm
from rulebot.chaos.spec_files import Reload
from rulebot.cli.main import main
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import session_after, session_from
from rulebot.record.record import Kind, Record
from tests.e2e.trace_check import differing
from tests.e2e.worlds import SHIPPED, spec_files
from twsim.gateway.clock import Clock

SESSION = session_from(DEFAULT_DATE)
SELLER, CONDOR = "spy_put_seller", "dte0_condor"


def chaos(*words: str) -> Result:
    return CliRunner().invoke(main, ["chaos", *words])


@pytest.fixture(scope="module")
def desk() -> LoadedBots:
    return load_all_bots(spec_files([SELLER, CONDOR]), {}, None)


@pytest.fixture(scope="module")
def calm(desk: LoadedBots, tmp_path_factory: pytest.TempPathFactory) -> ChaosResult:
    """Return a morning on which nothing goes wrong and both bots trade."""
    return run_scenario(morning(desk), desk, tmp_path_factory.mktemp("calm"))


def morning(desk: LoadedBots, **changes: object) -> ChaosScenario:
    """Return a trial from the seller's window to a few minutes into the condor's."""
    begins, start = (desk.bots[name].windows(SESSION)[0][0] for name in (SELLER, CONDOR))
    until = start + timedelta(minutes=3)
    bare = replace(
        draw(7, desk, CHOICE),
        day=SESSION.date,
        market=None,
        faults=(),
        crashes=(),
        acts=(),
        reloads=(),
        lockstep=True,
        delay=0.0,
    )
    return replace(bare, begins=begins, calm_at=until, **changes)  # type: ignore[arg-type]


def faults(*entries: dict[str, str | int]) -> dict[str, object]:
    return {"faults": entries}


# ---------------------------------------------------------------- the checks see


def test_a_calm_morning_is_sound_and_both_bots_trade(calm: ChaosResult, desk: LoadedBots) -> None:
    assert judge(calm, desk) == {}
    assert calm.day.entered == {SELLER, CONDOR}
    assert (calm.lives, calm.deaths, dict(calm.kinds_fired)) == (1, (), {})
    assert repr(calm) == "<what seed 7 has left>", "all its records take longer to print than to judge"


def test_what_is_wrong_is_seen_under_its_number(calm: ChaosResult, desk: LoadedBots) -> None:
    day, outside = calm.day, calm.outside

    def broken(**changes: object) -> set[int]:
        ours = {name: value for name, value in changes.items() if name in ("records", "orders", "ledger", "positions")}
        theirs = {name: value for name, value in changes.items() if name in ("rows", "working")}
        rest = {name: value for name, value in changes.items() if name not in (*ours, *theirs)}
        left = replace(calm, day=replace(day, **ours), outside=replace(outside, **theirs), **rest)  # type: ignore[arg-type]
        return set(judge(left, desk))

    fill = next(record for record in day.records if record.kind is Kind.FILL)
    ref = str(fill.data["ref"])
    sent = next(row for row in outside.rows if row.get("order_ref") == ref)
    leg = next(row for row in outside.rows if row["kind"] == "execution" and row["sec_type"] == "OPT")
    target = next(order for order in day.orders.values() if order.purpose is Purpose.TARGET)
    dearer = {key: paid + Decimal("0.01") for key, paid in day.ledger.commissions.items()}
    assert {5, 6, 21} <= broken(records=tuple(record for record in day.records if record is not fill))
    assert {5, 6} <= broken(records=(*day.records, fill))
    assert 2 in broken(orders={name: order for name, order in day.orders.items() if name != ref})
    assert 2 in broken(rows=(*outside.rows, {**sent, "perm_id": 1}))
    assert broken(ledger=replace(day.ledger, commissions=dearer)) == {4}
    assert 7 in broken(rows=tuple(row for row in outside.rows if row.get("side") != "BOT"))
    closing = {**leg, "side": "BOT", "order_ref": target.ref}
    assert 8 not in broken(rows=(*outside.rows, {**closing, "exec_id": "x.1.01"}))
    assert 8 in broken(rows=(*outside.rows, {**closing, "exec_id": "x.1.01"}, {**closing, "exec_id": "x.2.01"}))
    assert 11 in broken(rows=({**sent, "at": "2026-10-21T12:00:00+00:00"}, *outside.rows))
    assert broken(working=()) == {23}
    unknown = replace(day.orders[ref], status=OrderStatus.UNKNOWN)
    assert broken(orders={**day.orders, ref: unknown}) == {23}
    going = replace(day.orders[ref], status=OrderStatus.CANCELLING)
    assert 23 in broken(orders={**day.orders, ref: going})
    other = tuple(
        replace(view, ticket=replace(view.ticket, quantity=view.ticket.quantity + 1)) for view in outside.working
    )
    assert broken(working=other) == {23}
    between = {name: replace(each, state="exiting") for name, each in day.positions.items()}
    assert 23 in broken(positions=between)
    assert 23 in broken(positions={name: replace(each, state="closed") for name, each in day.positions.items()})
    assert broken(troubles=("Traceback",)) == {26}
    assert broken(tables=("fills",)) == {21}
    assert 20 in broken(records=tuple(reversed(day.records)))


def test_an_order_whose_refusal_only_a_dead_engine_could_hear_has_no_permanent_id(
    calm: ChaosResult, desk: LoadedBots
) -> None:
    ref = next(str(row["order_ref"]) for row in calm.outside.rows if row["kind"] == "order")
    orders = {**calm.day.orders, ref: replace(calm.day.orders[ref], perm_id=0)}
    rows = tuple({**row, "status": "Inactive"} if row.get("order_ref") == ref else row for row in calm.outside.rows)
    left = replace(calm, day=replace(calm.day, orders=orders))
    reported = replace(left, outside=replace(calm.outside, rows=rows))
    assert 2 in judge(left, desk)
    assert 2 in judge(replace(left, lives=2), desk)
    assert 2 in judge(reported, desk)
    assert 2 not in judge(replace(reported, lives=2), desk)


def test_a_commission_that_was_never_reported_is_not_missed(desk: LoadedBots, tmp_path: Path) -> None:
    """The ledger has it, the books cannot; without knowing of it they would be called wrong."""
    never: dict[str, str | int] = {"kind": "no_commission", "on": "fill", "number": "each"}
    left = run_scenario(morning(desk, **faults(never)), desk, tmp_path)
    assert left.unreported
    assert judge(left, desk) == {}
    assert set(judge(replace(left, unreported=()), desk)) == {4}


# ---------------------------------------------------------------- engines die


def test_an_engine_that_dies_in_its_work_and_in_its_start_continues(desk: LoadedBots) -> None:
    crashes = (
        Crash(moment=ScenarioMoment.AFTER_WRITE, number=2, away=3),
        Crash(moment=ScenarioMoment.AT_START, number=2),
        Crash(moment=ScenarioMoment.BEFORE_WRITE, number=14, power=True),
    )
    found = try_storm(morning(desk, crashes=crashes), desk)
    assert found.violations == {}
    assert found.fired == {"crash after write": 1, "crash in start, after write": 1, "power_cut before write": 1}
    assert found.starts == 4


def test_specs_that_change_govern_what_is_opened_by_them_also_over_ends_of_the_engine(
    desk: LoadedBots, tmp_path: Path
) -> None:
    """The condor's new time comes while it is open: its old text governs it. A broken file changes nothing."""
    at = session_from(DEFAULT_DATE).open
    time = Reload(kind="reload", bot=CONDOR, at=at + timedelta(minutes=17), path=("exits", 0, "time"), text='"09:50"')
    target = Reload(
        kind="reload", bot=SELLER, at=at + timedelta(seconds=10), path=("parameters", "take_profit"), text="40%"
    )
    broken = Reload(kind="reload_broken", bot=SELLER, at=at + timedelta(minutes=8), breaks="half", away=60)
    ends = [Crash(moment=ScenarioMoment.AT_TIME, at=each.at + timedelta(seconds=4)) for each in (target, broken, time)]
    storm = morning(desk, reloads=(target, broken, time), crashes=tuple(ends))
    storm = replace(storm, calm_at=at + timedelta(minutes=25))
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert [left.kinds_fired[kind] for kind in ("reload", "reload_broken", "crash at")] == [2, 1, 3]
    came = [record.data["what"] for record in left.day.records if record.kind is Kind.RELOAD and not record.bot]
    assert came.count("refused") == 1
    seller, condor = (next(each for each in left.day.positions.values() if each.bot == bot) for bot in (SELLER, CONDOR))
    assert seller.digest != desk.digests[SELLER]
    assert (condor.digest, condor.state) == (desk.digests[CONDOR], "open")


def test_the_account_document_in_force_holds_also_over_ends_of_the_engine(desk: LoadedBots, tmp_path: Path) -> None:
    """One may be open; the document is broken for a while; then two may: the condor enters then and no earlier."""
    opens, start = SESSION.open, desk.bots[CONDOR].windows(SESSION)[0][0]
    tight = Reload(kind="account_limits", bot="", at=opens + timedelta(seconds=5), limits=(("max_open", 1),))
    broken = Reload(kind="account_broken", bot="", at=start - timedelta(seconds=40), breaks="half", away=20)
    wide = Reload(kind="account_limits", bot="", at=start + timedelta(minutes=2), limits=(("max_open", 2),))
    ends = [
        Crash(moment=ScenarioMoment.AT_TIME, at=each.at + timedelta(seconds=4), away=3)
        for each in (tight, broken, wide)
    ]
    storm = morning(desk, reloads=(tight, broken, wide), crashes=tuple(ends))
    left = run_scenario(replace(storm, calm_at=start + timedelta(minutes=4)), desk, tmp_path)
    assert judge(left, desk) == {}
    assert [left.kinds_fired[kind] for kind in ("account_limits", "account_broken", "crash at")] == [2, 1, 3]
    opened = {each.bot: each.opened_at for each in left.day.positions.values()}
    assert opened[SELLER] is not None
    assert opened[CONDOR] is not None
    assert opened[SELLER] < wide.at < opened[CONDOR]
    was_wide = tuple(replace(each, limits=None) for each in left.reads)
    assert {13, 18} & set(judge(replace(left, reads=was_wide), desk)), "the records are held against what was read"


def test_an_engine_whose_connection_is_cut_is_started_again(desk: LoadedBots) -> None:
    cut: dict[str, str | int] = {"kind": "cut", "at": "09:31:10"}
    found = try_storm(morning(desk, **faults(cut)), desk)
    assert (found.violations, found.fired, found.starts) == ({}, {"cut reset": 1}, 2)


@pytest.mark.parametrize("moves", [0, 60], ids=["before an engine is there", "while one trades"])
def test_a_gateway_that_fails_ends_the_trial(
    moves: int, desk: LoadedBots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock does not move then: waits took millions of steps, and an engine connected for hours."""
    left, move = [moves], Clock._move_market

    def fails(clock: Clock) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("of our own")
        move(clock)

    monkeypatch.setattr(Clock, "_move_market", fails)
    monkeypatch.setattr("rulebot.chaos.runner.MOST_STEPS", 100_000)
    found = run_scenario(morning(desk, lockstep=False, delay=0.01), desk, tmp_path)
    assert any("the simulated gateway failed: " in each and "of our own" in each for each in found.troubles)
    assert not any("steps of the loop" in each for each in found.troubles)


def test_two_runs_of_a_seed_leave_the_same_trace(desk: LoadedBots) -> None:
    storm = draw(3, desk, CHOICE)
    first, second = (try_storm(storm, desk) for _ in range(2))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert first.trace != try_storm(replace(storm, seed=4), desk).trace


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 3, 8], ids=["1", "ci 3", "ci 8"])
def test_the_connection_in_memory_leaves_the_trace_that_sockets_leave(
    seed: int, desk: LoadedBots, tmp_path: Path
) -> None:
    """In lockstep, with all that happens at times, commands or writes; only our own loop counts steps and sends."""
    kinds = (ScenarioMoment.AT_STEP, ScenarioMoment.START_STEP, ScenarioMoment.BEFORE_SEND, ScenarioMoment.AFTER_SEND)
    drawn = draw(seed, desk, [kind for kind in CHOICE if kind not in NEED_TIME])
    crashes = tuple(crash for crash in drawn.crashes if crash.moment not in kinds)
    storm = replace(drawn, crashes=crashes, lockstep=True, delay=0.0)
    storm = replace(storm, faults=tuple(each for each in storm.faults if each.get("what") != "length"))
    (tmp_path / "tcp").mkdir()
    assert run_scenario(storm, desk, tmp_path).trace == run_scenario_over_sockets(storm, desk, tmp_path / "tcp").trace


@pytest.mark.long
def test_ci_traces_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    assert differing(3, 1, spec_files([SELLER])) == []


# ---------------------------------------------------------------- texts for people


def after_entry(desk: LoadedBots) -> ChaosScenario:
    """Return a morning whose engine is ended while the seller's position is open, and starts again."""
    storm = morning(desk)
    return replace(
        storm, crashes=(Crash(moment=ScenarioMoment.AT_TIME, at=storm.begins + timedelta(minutes=5), away=3),)
    )


def test_scrambled_texts_change_no_order(desk: LoadedBots) -> None:
    assert try_storm(after_entry(desk), desk).reworded is None
    assert try_storm(after_entry(desk), desk, scrambles=True).reworded == ()


def test_a_start_that_reads_something_else_is_seen(desk: LoadedBots, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_orders(record: Record) -> Record:
        is_order = record.kind is Kind.ORDER
        return replace(record, data={**record.data, "status": "lost"}) if is_order else record

    monkeypatch.setattr("rulebot.chaos.crash_points.scrambled", without_orders)
    assert len(try_storm(after_entry(desk), desk, scrambles=True).reworded or ()) == 1


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("hours", [(), ("--overnight",)], ids=["in a day", "over a night"])
def test_ci_texts_for_people_decide_nothing(hours: tuple[str, ...]) -> None:
    done = chaos("--scramble-texts", "--seeds", "2", "--seed", "40", *hours, *spec_files([SELLER, CONDOR]))
    assert " texts scrambled between two starts: the same orders in 2 of 2 seeds" in done.output.splitlines()


# ---------------------------------------------------------------- the command


def test_the_command_gives_a_verdict_of_each_invariant() -> None:
    done = chaos("--seeds", "1", "--seed", "40", "--faults", "duplicate,execution_first,warning", *spec_files([SELLER]))
    assert done.exit_code == 0
    assert "  4  holds      1 of 1  books equal the broker's ledger to the cent" in done.output
    assert "what fired (" in done.output


@pytest.mark.long
def test_ci_processes_do_not_change_what_comes_out() -> None:
    """Two seeds in processes of their own, and each alone in this one: the same traces, in order of the seeds."""
    words = ("--format", "json", "--faults", "duplicate,cut,crash", *spec_files([SELLER]))
    both = json.loads(chaos("--seeds", "2", "--seed", "40", *words).output)
    alone = [json.loads(chaos("--seeds", "1", "--seed", str(seed), *words).output) for seed in (40, 41)]
    assert [each["trace"] for each in both["seeds"]] == [each["seeds"][0]["trace"] for each in alone]
    assert [each["seed"] for each in both["seeds"]] == [40, 41]
    assert all(len(each["trace"]) == 64 for each in both["seeds"])


def test_what_cannot_be_meant_is_refused() -> None:
    unknown = chaos("--faults", "cut,crush", *spec_files([SELLER]))
    assert unknown.exit_code == 2
    assert "no kind of fault is 'crush'" in unknown.output
    assert "did you mean 'crash'" in unknown.output
    assert "swallow_order" in unknown.output
    assert chaos("no_such_file.yaml").exit_code == 2
    assert chaos("--set", "nothing=1", *spec_files([SELLER])).exit_code == 2
    assert chaos("--seeds", "0", *spec_files([SELLER])).exit_code == 2


def test_a_spec_with_problems_is_reported_and_not_run(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("rulebot: 1\nname: wrong\n")
    done = chaos(str(wrong))
    assert done.exit_code == 1
    assert "error[RB" in done.output


# ---------------------------------------------------------------- many seeds


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ci_the_shipped_bots_come_through() -> None:
    done = chaos("--seeds", "1", "--seed", "160", *spec_files(SHIPPED))
    assert done.exit_code == 0, done.output


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("seed", "count", "bot"), [(20_000, 26, "put_lite"), (21_009, 36, "dte0_condor"), (22_000, 26, SELLER)]
)
def test_ci_single_bots_come_through(seed: int, count: int, bot: str) -> None:
    """With those around it 100 seeds, on every commit."""
    done = chaos("--seeds", str(count), "--seed", str(seed), *spec_files([bot]))
    assert done.exit_code == 0, done.output


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ci_puts_with_a_resting_stop_come_through(tmp_path: Path) -> None:
    """Of four to sixteen puts a person can close a part."""
    account = tmp_path / "account.yaml"
    limits = "{max_contracts_per_order: 40, max_notional_per_order: $25000000, cash_secured_puts: ignore}"
    account.write_text(f"rulebot_account: 1\nabout: Lets a trial sell sixteen puts.\nrisk: {limits}\n")
    spec = str(Path(__file__).with_name("hand_put.yaml"))
    done = chaos("--seeds", "11", "--seed", "23000", "--account", str(account), spec)
    assert done.exit_code == 0, done.output
    assert "what never opened a position" not in done.output


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_ci_the_workers_end_with_who_asked() -> None:
    """A command that is killed tells its workers nothing; they would wait for ever."""
    command = [sys.executable, "-m", "rulebot.cli.main", "chaos", "--seeds", "500", *spec_files([SELLER])]
    asked = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(workers := children(asked.pid)) < 2:
        assert asked.poll() is None
        time.sleep(0.1)
    asked.kill()
    asked.wait()
    while any(Path(f"/proc/{each}").exists() for each in workers):
        time.sleep(0.1)


def children(parent: int) -> list[int]:
    """Return the processes that a process has begun, but for those that only look after what is shared."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[1]) == parent and b"spawn_main" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_shipped_bots_come_through_many_seeds() -> None:
    done = chaos("--seeds", "400", "--seed", "1000", *spec_files(SHIPPED))
    assert done.exit_code == 0, done.output


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hours", ["--whole-day", "--overnight"])
def test_the_shipped_bots_come_through_whole_days_and_nights(hours: str) -> None:
    done = chaos("--seeds", "20", "--seed", "1000", hours, *spec_files(SHIPPED))
    assert done.exit_code == 0, done.output


@pytest.mark.long
def test_ci_what_nobody_was_there_to_hear_is_compared_by_what_is_held(desk: LoadedBots, tmp_path: Path) -> None:
    """The engine dies with its entry under way and is back the next morning: its fill is told to nobody any more."""
    died = Crash(moment=ScenarioMoment.AFTER_COMMAND, number=1, away=60 * 60 * 7)
    night = replace(morning(desk, crashes=(died,)), calm_at=session_after(SESSION.date).open + timedelta(minutes=1))
    left = run_scenario(night, desk, tmp_path)
    assert any(row["kind"] == "execution" for row in left.unheard)
    assert judge(left, desk) == {}
    assert {4, 6} <= set(judge(replace(left, unheard=()), desk))
