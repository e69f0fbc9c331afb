"""What two texts did on the same simulated days, in words."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from rulebot.review.change.behaviour import Trade, TriedDay, behaviour_lines, without_it


def day(seed: int, *made: int, ended_by: str = "target") -> TriedDay:
    trades = tuple(Trade("sold 5905/5915p at 0.50, bought back at 0.25", ended_by, Decimal(each)) for each in made)
    return TriedDay(seed, trades, "" if made else "halted: vix_spike")


def test_days_that_are_all_the_same_are_one_line() -> None:
    days = (day(1, 15), day(2))
    assert behaviour_lines(days, days) == (
        "  2 simulated days (seeds 1 to 2)",
        "    every one the same: 1 entry, net +$15",
    )


def test_what_was_gained_and_lost() -> None:
    found = behaviour_lines((day(1, 15), day(2)), (day(1), day(2, -55, ended_by="stop")))
    assert found == (
        "  2 simulated days (seeds 1 to 2)",
        "    entries 1 -> 1   gained on seed 2; lost on seed 1",
        "    net +$15 -> -$55   worst day +$0 -> -$55",
        "    exits target 1 -> 0, stop 0 -> 1",
        "    seed 1",
        "      was sold 5905/5915p at 0.50, bought back at 0.25: target, $15",
        "      now no trade: halted: vix_spike",
        "    seed 2",
        "      was no trade: halted: vix_spike",
        "      now sold 5905/5915p at 0.50, bought back at 0.25: stop, -$55",
    )


def test_one_screen_first() -> None:
    was, now = [day(seed, 15) for seed in range(1, 7)], [day(seed, 25) for seed in range(1, 7)]
    assert behaviour_lines(was, now)[-1] == "    3 more days differ: --all shows them"
    assert behaviour_lines(was, now, is_all=True)[-1].endswith("$25")


def test_of_a_new_bot_all_trades_are_new_and_of_one_that_is_gone_all_are_gone() -> None:
    days = (day(1, 15), day(2), day(3, -55, ended_by="stop"))
    assert behaviour_lines(without_it(days), days) == (
        "  3 simulated days (seeds 1 to 3)",
        "    entries 0 -> 2   all of them new",
        "    net +$0 -> -$40   worst day +$0 -> -$55",
        "    exits target 0 -> 1, stop 0 -> 1",
        "    seed 1",
        "      now sold 5905/5915p at 0.50, bought back at 0.25: target, $15",
        "    seed 3",
        "      now sold 5905/5915p at 0.50, bought back at 0.25: stop, -$55",
    )
    assert behaviour_lines(days, without_it(days))[1:5] == (
        "    entries 2 -> 0   all of them gone",
        "    net -$40 -> +$0   worst day -$55 -> +$0",
        "    exits target 1 -> 0, stop 1 -> 0",
        "    seed 1",
    )


def test_of_a_new_bot_that_never_traded_it_is_said_why() -> None:
    days = [day(seed) for seed in range(1, 6)]
    assert behaviour_lines(without_it(days[:1]), days[:1]) == (
        "  1 simulated day (seed 1)",
        "    no trade",
        "    seed 1",
        "      now no trade: halted: vix_spike",
    )
    assert behaviour_lines(days, without_it(days))[-2:] == (
        "      was no trade: halted: vix_spike",
        "    2 more days without one: --all shows them",
    )
    assert len(behaviour_lines(without_it(days), days, is_all=True)) == 12


def test_a_position_that_is_held_over_days_was_entered_once_and_ends_once() -> None:
    one, two = date(2026, 9, 1), date(2026, 9, 2)
    opened = TriedDay(0, (Trade("sold 5825/5835p at 1.40", "", Decimal(-230)),), day=one)
    held = Trade("held since 2026-09-01, sold 5825/5835p at 1.40", "", Decimal(30), is_carried=True)
    stopped = Trade("held since 2026-09-01, sold 5825/5835p at 1.40, bought back at 4.70", "stop", Decimal(-98), True)
    was, now = ((opened, TriedDay(0, (each,), day=two)) for each in (held, stopped))
    assert behaviour_lines(was, was)[1] == "    every one the same: 1 entry, net -$200"
    left = replace(held, stands="target: the rest is long and has no bid")
    reported = behaviour_lines(was, (opened, TriedDay(0, (left,), day=two)))
    assert f"      now {held.words}: {left.stands}, $30" in reported, "its exit had filled, and it was still open"
    assert f"      was {held.words}: still open, $30" in reported
    assert behaviour_lines(was, now)[1:4] == (
        "    entries 1 -> 1",
        "    net -$200 -> -$328   worst day -$230 -> -$230",
        "    exits still open 1 -> 0, stop 0 -> 1",
    )
