"""A time of day as an option, `12:00` or `12:00:30`, and the clock of a command."""

import re
from contextlib import suppress
from datetime import time
from typing import Any, cast

import click

from engine.adapters.clock import Clock, WallClock


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


def clock_of(ctx: click.Context) -> Clock:
    """Return the clock that was passed in as the object of the command line, else the machine's."""
    return WallClock() if ctx.obj is None else cast(Clock, ctx.obj)
