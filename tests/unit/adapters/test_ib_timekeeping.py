"""This computer's clock, held against its own count of seconds and against the broker's."""

from datetime import UTC, datetime, timedelta

import pytest

from rulebot.adapters.clock import BrokerClock
from rulebot.adapters.ib.time_zones import Timekeeper

NOON = datetime(2025, 11, 24, 17, 0, tzinfo=UTC)


class Watch:
    """A clock that a test moves: `set_by` is how it was set since it began."""

    def __init__(self) -> None:
        self.seconds, self.set_by = 0.0, 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds + self.set_by)

    def elapsed(self) -> float:
        return self.seconds


class Asked:
    """A keeper and a broker that answers at once, from a clock that is so many seconds behind ours."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.clock = BrokerClock(self.watch)
        self.keeper = Timekeeper(self.clock)

    def reported(self, behind: float) -> float | None:
        """Ask a minute later, and return what the answer, in whole seconds, comes to."""
        self.watch.seconds += 60
        self.keeper.asks()
        return self.keeper.received((self.watch.now() - timedelta(seconds=behind)).replace(microsecond=0))


def test_62_one_answer_alone_is_not_believed() -> None:
    asked = Asked()
    assert [asked.reported(behind) for behind in (0, 10, 0, 10, 0)] == [None] * 5


def test_62_a_difference_is_reported_once_and_again_when_it_has_changed_or_is_gone() -> None:
    asked = Asked()
    found = [asked.reported(behind) for behind in (10, 10, 12, 69, 70, 70, 0, 0, -10, -10)]
    assert found == [None, 9.0, None, None, 69.0, None, 0.0, None, None, -10.0]


def test_62_who_doubts_asks_again_after_a_second() -> None:
    asked = Asked()
    assert asked.keeper.is_due()
    assert not asked.keeper.is_due()
    for behind, due in ((10, 1), (10, 60), (10, 60)):
        asked.reported(behind)
        asked.watch.seconds += due - 0.5
        assert not asked.keeper.is_due()
        asked.watch.seconds += 0.5
        assert asked.keeper.is_due()


def test_62_the_engine_goes_by_the_brokers_time_whatever_the_computer_s_clock_says() -> None:
    asked = Asked()
    assert asked.reported(21600) is None
    assert asked.clock.now() == asked.watch.now() - timedelta(hours=6) + timedelta(seconds=0.5)
    asked.watch.set_by -= 9000
    assert asked.clock.now() == NOON + timedelta(seconds=60 - 21600 + 0.5)


def test_62_a_computer_that_agrees_reports_the_time_to_less_than_a_second() -> None:
    asked = Asked()
    asked.watch.seconds = 0.25
    asked.reported(0.9)
    assert asked.clock.now() == asked.watch.now()


def test_62_a_broker_that_drifts_is_followed_and_one_that_leaps_is_a_lost_connection() -> None:
    asked = Asked()
    for behind in (0, 10, 10):
        asked.reported(behind)
    assert asked.clock.now() == asked.watch.now() - timedelta(seconds=9.5)
    assert asked.keeper.leap_words == ""
    asked.reported(-7200)
    assert asked.keeper.leap_words == ""
    asked.reported(-7200)
    assert asked.keeper.leap_words == "the broker's time has leapt: everything is read again"
    assert asked.clock.now() == asked.watch.now() - timedelta(seconds=9.5)


def test_62_an_answer_counts_from_when_it_came() -> None:
    asked = Asked()
    reported = NOON - timedelta(hours=1)
    asked.keeper.asks()
    asked.watch.seconds += 8
    asked.keeper.received(reported, age=8.0)
    assert asked.clock.now() == reported + timedelta(seconds=8.5)


def test_63_a_clock_that_is_set_has_jumped() -> None:
    watch = Watch()
    keeper = Timekeeper(BrokerClock(watch))
    found = []
    for seconds, set_by in ((1, 0.0), (600, 2.0), (1, 4.5), (1, 2.5), (1, -3.0), (1, -3.0)):
        watch.seconds, watch.set_by = watch.seconds + seconds, set_by
        found.append(keeper.look().partition(":")[0])
    forward, back = "the computer slept, or its clock was set forward", "the computer's clock was set back by 6 s"
    assert found == ["", "", forward, "", back, ""]


@pytest.mark.parametrize("behind", [2.1, 2.5, 2.9, -2.1, -2.5, -2.9])
def test_62_clocks_that_differ_by_little_more_than_two_seconds_are_reported_once(behind: float) -> None:
    asked = Asked()
    found = []
    for minute in range(40):
        asked.watch.seconds = 60 * minute + minute % 10 / 10 + 0.05
        found += [asked.reported(behind), asked.reported(behind)]
    assert [round(each) != 0 for each in found if each is not None] == [True]
    asked.watch.seconds = 3600.0
    assert asked.reported(0.5) == 0.0


def test_62_a_slow_answer_does_not_prove_that_clocks_agree_again() -> None:
    asked = Asked()
    asked.reported(10)
    assert asked.reported(10) == 9.0
    asked.watch.seconds += 60
    asked.keeper.asks()
    asked.watch.seconds += 12
    assert asked.keeper.received(NOON + timedelta(seconds=180)) is None
    assert asked.reported(0) == 0.0


def test_62_a_greeting_sets_a_clock_that_goes_by_the_computers_and_differs() -> None:
    asked = Asked()
    reported = NOON.replace(hour=5)
    asked.watch.seconds = 3
    assert asked.keeper.greeted(None, 3.0) is None
    assert asked.keeper.greeted(NOON - timedelta(seconds=1), 3.0) is None
    assert asked.clock.now() == asked.watch.now(), "they agree, to the second that a greeting tells"
    assert asked.keeper.greeted(reported, 3.0) == 12 * 3600 - 1
    assert asked.clock.now() == reported + timedelta(seconds=3.5)
    assert not asked.keeper.is_known
    assert asked.keeper.greeted(NOON, 3.0) is None
    assert asked.clock.now() == reported + timedelta(seconds=3.5), (
        "the count of seconds is better than another greeting"
    )


def test_62_an_answer_takes_the_place_of_the_greeting() -> None:
    asked = Asked()
    asked.keeper.greeted(NOON - timedelta(hours=2), 0.0)
    asked.reported(3600)
    assert asked.clock.now() == asked.watch.now() - timedelta(seconds=3599.5)
    assert asked.keeper.greeted(NOON, 0.0) is None
