"""A recorded day on the page: where its recordings leave a gap, and where they do not."""

from datetime import UTC, datetime, timedelta

from engine.web.timeline import Timeline

START = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def test_an_instant_between_two_runs_is_told_as_one_that_is_not_recorded() -> None:
    gap = (after(15), after(1385))
    instants = (START, after(1390), after(1440), after(9000))
    seen = Timeline(instants, (), (), gaps=(gap,))
    assert [seen.gap(after(each)) for each in (-60, 0, 14, 15, 600, 1389, 1390, 1440, 5000, 9999)] == [
        None, None, None, gap, gap, gap, None, None, None, None,
    ]  # fmt: skip
