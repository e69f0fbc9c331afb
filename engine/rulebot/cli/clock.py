"""A time of day and a day as options, `12:00` or `12:00:30` and `2026-10-21`, and the clock of a command."""

import re
from contextlib import suppress
from datetime import date, time
from typing import TYPE_CHECKING, Any, cast

import click

from rulebot.model.errors import MisuseError
from rulebot.model.session import CalendarError, check_day, session_from

if TYPE_CHECKING:
    from rulebot.adapters.clock import Clock


class ClockParam(click.ParamType[time]):
    """A time of day in New York."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> time:
        """Return the time."""
        if isinstance(value, time):
            return value
        if found := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", str(value)):
            with suppress(ValueError):
                return time(int(found[1]), int(found[2]), int(found[3] or 0))
        raise click.BadParameter(f"a time is written 12:00 or 12:00:30, is '{value}'", ctx, param)


CLOCK = ClockParam()


class DayParam(click.ParamType[date]):
    """A day at the exchange."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day."""
        if isinstance(value, date):
            return value
        if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
            with suppress(ValueError):
                return date.fromisoformat(str(value))
            raise click.BadParameter(f"there is no day '{value}'", ctx, param)
        raise click.BadParameter(f"a day is written 2026-10-21, is '{value}'", ctx, param)


class SessionDayParam(DayParam):
    """A day that the exchange calendar covers."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day."""
        found = super().convert(value, param, ctx)
        try:
            check_day(found)
        except CalendarError as error:
            raise click.BadParameter(str(error), ctx, param) from None
        return found


DAY = DayParam()
SESSION_DAY = SessionDayParam()


def clock_of(ctx: click.Context) -> "Clock":
    """Return the clock that was passed in as the object of the command line, else the machine's."""
    from rulebot.adapters.clock import WallClock

    return WallClock() if ctx.obj is None else cast("Clock", ctx.obj)


def first_session(day: date) -> date:
    """Return the session of `day`, or the first one after it: the day that is lived through. Raises: MisuseError."""
    try:
        return session_from(day).date
    except CalendarError as error:
        raise MisuseError(str(error)) from error
