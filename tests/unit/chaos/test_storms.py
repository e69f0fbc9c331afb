"""Chaos: what a seed draws, how a failing trial is made smaller, and what a mortal journal keeps."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.chaos.crash_points import CrashedError, CrashingJournal, CrashPlan
from rulebot.chaos.generator import CHOICE, CRASHES, EVES, NEED_TIME, NOT_DRAWN, SELLS_SHARES, chosen_kinds, draw
from rulebot.chaos.runner import MOST_LIVES, _Trial
from rulebot.chaos.scenario import (
    ACTS,
    CLOCK,
    NOT_ELSEWHERE,
    OF_STORE,
    WHILE_OPEN,
    ChaosScenario,
    Crash,
    ScenarioMoment,
    with_acts_beside,
    yaml_of,
)
from rulebot.chaos.seeds import larger_text, shrink, sized
from rulebot.chaos.spec_files import DOCUMENTS, RELOADS
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.start import RunOptions
from rulebot.model.errors import MisuseError
from rulebot.model.session import session_from
from rulebot.record.record import Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from twsim import KINDS, read_faults

NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def desk() -> LoadedBots:
    return load_all_bots([str(shipped("specs") / f"{name}.yaml") for name in ("dte0_condor", "put_lite")], {}, None)


def storm(*faults: str, crashes: int = 0) -> ChaosScenario:
    return ChaosScenario(
        seed=1,
        day=date(2026, 10, 21),
        market=None,
        begins=NOON,
        calm_at=NOON,
        faults=tuple({"kind": kind, "on": "order", "number": number} for number, kind in enumerate(faults, 1)),
        crashes=tuple(Crash(moment=ScenarioMoment.AFTER_WRITE, number=number) for number in range(1, crashes + 1)),
    )


# ---------------------------------------------------------------- drawing


def test_a_seed_draws_the_same_trial_and_another_seed_another(desk: LoadedBots) -> None:
    assert draw(7, desk, CHOICE) == draw(7, desk, CHOICE)
    assert len({yaml_of(draw(seed, desk, CHOICE)) for seed in range(20)}) > 15


def test_every_kind_is_drawn_and_every_plan_can_be_read(desk: LoadedBots) -> None:
    drawn = [draw(seed, desk, CHOICE) for seed in range(1500)]
    faults = Counter(str(entry["kind"]) for each in drawn for entry in each.faults)
    crashes = Counter(crash.kind for each in drawn for crash in each.crashes)
    assert set(faults) == set(KINDS) - {SELLS_SHARES, *NOT_DRAWN, *NOT_ELSEWHERE}
    assert set(crashes) == set(CRASHES)
    assert {act.kind for each in drawn for act in each.acts} == set(ACTS)
    assert {each.kind for drew in drawn for each in drew.reloads} == {*RELOADS, *DOCUMENTS}
    assert {crash.moment for each in drawn for crash in each.crashes} == set(ScenarioMoment)
    for each in drawn:
        assert len(each.plan.faults) == len(each.faults)
        assert not (each.lockstep and NEED_TIME & {str(entry["kind"]) for entry in each.faults})
    assert {each.lockstep for each in drawn} == {True, False}
    assert any(entry.get("what") == "length" for each in drawn for entry in each.faults)


def test_all_else_of_a_seed_is_as_without_reloads(desk: LoadedBots) -> None:
    """They are of a stream of their own, so that a seed of before is still the same trial where none is drawn."""
    kinds = [kind for kind in CHOICE if kind not in DOCUMENTS]
    others = [kind for kind in kinds if kind not in RELOADS]
    for seed in range(100):
        found, without = draw(seed, desk, kinds), draw(seed, desk, others)
        assert found.crashes[: len(without.crashes)] == without.crashes
        assert replace(found, reloads=(), crashes=without.crashes) == without
        assert found.reloads or found == without


def test_all_else_of_a_seed_is_as_without_changes_of_what_stands_beside_the_specs(desk: LoadedBots) -> None:
    others = [kind for kind in CHOICE if kind not in DOCUMENTS]
    drawn: Counter[str] = Counter()
    for seed in range(100):
        found, without = draw(seed, desk, CHOICE), draw(seed, desk, others)
        of_specs = tuple(each for each in found.reloads if each.kind in RELOADS)
        assert replace(found, reloads=of_specs, crashes=without.crashes, names_account=True) == without
        assert found.crashes[: len(without.crashes)] == without.crashes
        drawn.update({each.kind for each in found.reloads} & set(DOCUMENTS))
    assert all(drawn[kind] > 5 for kind in DOCUMENTS)
    assert max(drawn.values()) < 50


def test_a_reload_stands_in_the_plan_and_can_be_left_out(desk: LoadedBots) -> None:
    found = next(each for seed in range(100) if len((each := draw(seed, desk, RELOADS)).reloads) == 2)
    assert found.pieces == 2
    assert [str(each) in yaml_of(found) for each in found.reloads] == [True, True]
    assert found.keeping([1]).reloads == found.reloads[1:]


def test_only_an_account_with_shares_has_a_person_sell_them(desk: LoadedBots) -> None:
    overwriting = load_all_bots([str(Path(__file__).parents[3] / "examples" / "overwrite.yaml")], {}, None)
    drawn = [draw(seed, overwriting, CHOICE) for seed in range(300)]
    assert {each.shares for each in drawn} == {(("SPY", 1000),)}
    assert any(entry["kind"] == SELLS_SHARES for each in drawn for entry in each.faults)
    assert draw(1, desk, CHOICE).shares == ()
    assert draw(1, desk, (SELLS_SHARES,)).faults == ()


def test_the_stretch_is_inside_the_session_and_near_a_window(desk: LoadedBots) -> None:
    for seed in range(200):
        found = draw(seed, desk, CHOICE)
        session = session_from(found.day)
        windows = [span for bot in desk.bots.values() for span in bot.windows(session)]
        assert found.begins < found.calm_at < session.close
        assert any(found.begins < end and start < found.calm_at for start, end in windows)


def test_whole_days_begin_before_the_open(desk: LoadedBots) -> None:
    found = draw(3, desk, CHOICE, whole_day=True)
    assert found.ends_with_day
    assert found.begins < session_from(found.day).open


def test_a_night_lies_between_the_evening_and_the_morning_and_nothing_happens_in_it(desk: LoadedBots) -> None:
    drawn = [draw(seed, desk, CHOICE, overnight=True) for seed in range(300)]
    for found in drawn:
        first, second = found.sessions
        assert found.begins < first.close < second.open < found.calm_at
        acts = [each.at for each in (*found.crashes, *found.acts, *found.reloads) if each.at is not None]
        assert not [at for at in acts if first.close + timedelta(minutes=6) < at < second.open - timedelta(minutes=1)]
    timed = [entry for found in drawn for entry in found.faults if "at" in entry]
    assert {entry.get("session") for entry in timed} == {None, 2}
    assert {found.day for found in drawn} == set(EVES)
    assert "--days 2" in yaml_of(drawn[0])


def test_a_window_that_a_half_day_leaves_nothing_of_is_drawn_all_the_same() -> None:
    late = load_all_bots([str(Path(__file__).parents[3] / "examples" / "morning_after.yaml")], {}, None)
    drawn = [draw(seed, late, CHOICE) for seed in range(60)]
    assert date(2026, 11, 27) in {each.day for each in drawn}
    assert all(each.begins < each.calm_at for each in drawn)


def test_only_the_kinds_that_are_asked_for_are_drawn(desk: LoadedBots) -> None:
    drawn = [draw(seed, desk, ("cut", "crash")) for seed in range(50)]
    assert {entry["kind"] for each in drawn for entry in each.faults} == {"cut"}
    assert {crash.kind for each in drawn for crash in each.crashes} == {"crash"}
    only = [draw(seed, desk, ("power_cut",)) for seed in range(50)]
    assert all(not each.faults and each.crashes and all(crash.power for crash in each.crashes) for each in only)


def test_a_store_refuses_up_to_90_writes_and_leaves_up_to_two_unknown(desk: LoadedBots) -> None:
    """The engine goes on while writes are refused; one of which it cannot know whether it was done ends it."""
    times: dict[str, set[int]] = {kind: set() for kind in OF_STORE}
    for seed in range(100):
        for act in draw(seed, desk, OF_STORE).acts:
            times[act.kind].add(act.times)
    assert times.pop("commit_unknown") == {1, 2}
    assert all(found == {1, 2, 90} for found in times.values())


def test_kinds_are_named_and_an_unknown_one_is_refused_with_what_there_is() -> None:
    assert chosen_kinds(None) == CHOICE
    assert chosen_kinds("cut, crash,cut") == ("cut", "crash")
    with pytest.raises(MisuseError, match="no kind of fault is 'cutt'") as refused:
        chosen_kinds("cut,cutt")
    assert refused.value.help is not None
    assert "did you mean 'cut'" in refused.value.help
    assert "power_cut" in refused.value.help
    with pytest.raises(MisuseError, match="names no kind"):
        chosen_kinds(" ,")


# ---------------------------------------------------------------- a trial as text


def test_the_yaml_is_what_the_gateway_takes(desk: LoadedBots) -> None:
    for seed in range(100):
        found = draw(seed, desk, CHOICE)
        assert read_faults(yaml_of(found)) == found.plan


def test_crashes_stand_in_the_yaml_as_comments() -> None:
    power = Crash(moment=ScenarioMoment.AT_TIME, at=NOON, arrives=False, power=True, away=20)
    text = yaml_of(replace(storm("cut"), crashes=(power,)))
    assert text.startswith("# power_cut: at 12:00:00, what was sent is lost, away 20 s\nfaults:\n")


# ---------------------------------------------------------------- shrinking


def test_what_is_not_needed_is_left_out() -> None:
    whole = storm("cut", "reject", "cut", "lose_ack", crashes=3)
    needed = {"reject", "lose_ack"}
    asked: list[ChaosScenario] = []

    def fails(smaller: ChaosScenario) -> bool:
        asked.append(smaller)
        has_crash = any(crash.number == 2 for crash in smaller.crashes)
        return has_crash and needed <= {str(entry["kind"]) for entry in smaller.faults}

    found = shrink(whole, fails)
    assert [entry["kind"] for entry in found.faults] == ["reject", "lose_ack"]
    assert [crash.number for crash in found.crashes] == [2]
    assert len({yaml_of(each) for each in asked}) == len(asked)


def test_what_fails_without_anything_shrinks_to_nothing() -> None:
    assert shrink(storm("cut", "reject", crashes=1), lambda smaller: True).pieces == 0


def test_two_that_only_fail_together_both_stay() -> None:
    whole = storm("cut", "reject", "cut")
    assert shrink(whole, lambda smaller: len(smaller.faults) >= 2).pieces == 2


# ---------------------------------------------------------------- dying


def journal(folder: Path, fate: CrashPlan) -> CrashingJournal:
    return CrashingJournal(RunOptions(store=folder / "s.db", logs=None, sessions=1), fate)


def kept(folder: Path) -> list[str]:
    read = SqlJournal(open_store(folder / "s.db"))
    try:
        assert read.verify() is None
        return [str(record.data["text"]) for record in read.read()]
    finally:
        read.close()


def note(text: str, minute: int = 0) -> Record:
    return Record(NOON.replace(minute=minute), Kind.ALARM, data={"text": text})


@pytest.mark.parametrize(
    ("moment", "left"), [(ScenarioMoment.BEFORE_WRITE, ["a"]), (ScenarioMoment.AFTER_WRITE, ["a", "b"])], ids=str
)
def test_a_crash_falls_before_or_after_a_write_and_nothing_is_written_later(
    moment: ScenarioMoment, left: list[str], tmp_path: Path
) -> None:
    fate = CrashPlan([Crash(moment=moment, number=2)])
    fate.begin_life()
    written = journal(tmp_path, fate)
    written.append([note("a")], durable=True)
    with pytest.raises(CrashedError):
        written.append([note("b")], durable=True)
    written.append([note("c")], durable=True)
    written.close()
    assert kept(tmp_path) == left
    assert [crash.kind for crash in fate.deaths] == ["crash"]


@pytest.mark.parametrize(("power", "left"), [(False, ["a", "b"]), (True, ["a"])], ids=["crash", "power cut"])
def test_a_power_cut_leaves_durable_writes_alone(power: bool, left: list[str], tmp_path: Path) -> None:
    """What need not be durable is with the system minutes later, if only the process dies; on the disk it is not."""
    fate = CrashPlan([Crash(moment=ScenarioMoment.AT_TIME, at=NOON, power=power)])
    fate.begin_life()
    written = journal(tmp_path, fate)
    written.append([note("a")], durable=True)
    written.append([note("b", minute=5)], durable=False)
    with pytest.raises(CrashedError):
        fate.after_instant(NOON)
    written.close()
    assert kept(tmp_path) == left


def test_a_crash_in_a_start_waits_for_a_start_after_another_end() -> None:
    fate = CrashPlan([Crash(moment=ScenarioMoment.AT_START, number=2)])
    for _ in range(5):
        fate.before_write()
        fate.after_write()
    fate.begin_life()
    fate.begin_life()
    fate.before_write()
    fate.after_write()
    fate.before_write()
    with pytest.raises(CrashedError):
        fate.after_write()


def test_in_the_calm_nothing_dies() -> None:
    fate = CrashPlan([Crash(moment=ScenarioMoment.AFTER_COMMAND)])
    fate.calm()
    fate.begin_life()
    fate.after_command()
    assert fate.deaths == []


# ---------------------------------------------------------------- beside open positions


def beside(seed: int, desk: LoadedBots, kinds: Sequence[str] = CHOICE) -> ChaosScenario:
    return with_acts_beside(draw(seed, desk, kinds), kinds)


def test_what_happens_beside_open_positions_is_of_a_stream_of_its_own(desk: LoadedBots) -> None:
    for seed in range(100):
        found, without = beside(seed, desk), draw(seed, desk, CHOICE)
        assert found.faults[: len(without.faults)] == without.faults
        assert found.acts[: len(without.acts)] == without.acts
        assert found.crashes == without.crashes
        assert read_faults(yaml_of(found)) == found.plan


def test_every_kind_beside_open_positions_is_drawn_often_enough(desk: LoadedBots) -> None:
    """In 1,000 trials each is to come 20 times while a position is open; two of five open one."""
    drawn: Counter[str] = Counter()
    for seed in range(1000):
        found, without = beside(seed, desk), draw(seed, desk, CHOICE)
        drawn.update(str(entry["kind"]) for entry in found.faults[len(without.faults) :])
        drawn.update(act.kind for act in found.acts[len(without.acts) :])
        clocks = {CLOCK, "broker_clock"} & (
            {str(entry["kind"]) for entry in found.faults} | {a.kind for a in found.acts}
        )
        assert found.sends_time is bool(clocks)
        assert not (found.lockstep and found.sends_time)
    assert set(drawn) == set(WHILE_OPEN)
    assert min(drawn.values()) > 50


def test_only_kinds_that_are_asked_for_come_beside_open_positions(desk: LoadedBots) -> None:
    drawn = [beside(seed, desk, ("person_halves", "cut")) for seed in range(50)]
    assert {entry["kind"] for each in drawn for entry in each.faults} == {"person_halves", "cut"}
    assert not any(each.acts for each in drawn)


def test_quantities_are_multiplied_with_what_a_trade_may_lose(desk: LoadedBots) -> None:
    assert {beside(seed, desk).quantity for seed in range(60)} == {1, 2, 3, 4}
    bigger = sized(desk, 3)
    for name, bot in desk.bots.items():
        plan, before = bigger.bots[name].plan, bot.plan
        assert plan.quantity == 3 * before.quantity
        assert plan.risk.max_loss_per_trade == 3 * before.risk.max_loss_per_trade
    assert bigger.digests != desk.digests
    assert sized(desk, 1) is desk


def test_what_shares_or_a_budget_count_stays_as_it_is() -> None:
    assert larger_text("name: a\nunderlying: SPX\n", 2) == "name: a\nunderlying: SPX\nquantity: 2\n"
    assert larger_text("underlying: SPX\nquantity: 3\n", 3) == "underlying: SPX\nquantity: 9\n"
    assert larger_text("underlying: SPX\nquantity: {overwrite: {between: [25%, 50%]}}\n", 2) is None
    assert larger_text("universe: {symbols: [SPX]}\n", 2) is None


def test_a_trial_that_is_given_up_names_the_last_error() -> None:
    trial = object.__new__(_Trial)
    trial.lives, trial.failures, trial.troubles = MOST_LIVES, 0, []
    trial._ended_by = "StoreError: the store is locked (journal.py:7 append)"
    gateway: Any = SimpleNamespace(now=NOON.timestamp(), has_failed=False)

    async def life(_gateway: object) -> bool:
        return False

    trial._life = life  # type: ignore[method-assign]
    asyncio.run(trial._lives(gateway))
    assert trial.troubles == [
        "given up at 16:00:00 UTC after 40 starts; the last one ended by StoreError: the store is locked "
        "(journal.py:7 append)"
    ]
