"""A time of day and a day as options, `12:00` or `12:00:30` and `2026-10-21`, and the clock of a command."""

import re
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from rulebot.model.errors import MisuseError
from rulebot.model.session import CalendarError, check_day, session_from

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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
    """Return the session of `day`, or the first one after it: the simulated day. Raises: MisuseError."""
    try:
        return session_from(day).date
    except CalendarError as error:
        raise MisuseError(str(error)) from error


# --- Numbers as options take them, within their bounds

_SHOWN = 40
"""Letters of a value that are repeated: who typed it knows the rest."""


class WholeNumber(click.IntRange):
    """A whole number."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _refused("a whole number", self, value, param, ctx) from None


SEED = WholeNumber(0, 2**63 - 1)
"""A random seed: the simulated market mixes it with others in 64 bits."""


class Number(click.FloatRange):
    """A number, with decimals or without."""

    name = "x"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            found = super().convert(value, param, ctx)
        except click.BadParameter:
            found = float("nan")
        if not abs(found) < float("inf"):
            raise _refused("a number", self, value, param, ctx)
        return found


def _refused(
    what: str,
    bounds: click.IntRange | click.FloatRange,
    value: object,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> click.BadParameter:
    """Return what says which numbers are meant, and what was found."""
    low, high = bounds.min, bounds.max
    between = f" of at least {low:g}" if high is None else f" of {low} to {high}"
    shown = str(value)[:_SHOWN]
    return click.BadParameter(f"it is {what}{between}, is '{shown}'", ctx, param)


# --- Options that several commands have

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format.")
ACCOUNT = click.option(
    "--account",
    type=click.Path(path_type=Path),
    help="The account document: limits over all bots (default: account.yaml in or next to specs/).",
)


# --- Specs as the command line takes them


class SpecPaths(click.Path):
    """A path, or the name of a shipped spec; a shell completes both."""

    name = "spec"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return the shipped specs that fit, and that files are to be looked for."""
        from click.shell_completion import CompletionItem

        from rulebot.spec.files import shipped_names

        names = [CompletionItem(name, help="shipped") for name in shipped_names() if name.startswith(incomplete)]
        return [*names, *super().shell_complete(ctx, param, incomplete)]


SPECS = SpecPaths()


# --- Options that several commands share

gateway_option = click.option(
    "--gateway",
    "address",
    metavar="HOST:PORT",
    help="Where IB Gateway or TWS listens (default: port 4002 or 7497 here, live 4001 or 7496); "
    "with --sim a 'rulebot gateway'.",
)
settings_option = click.option(
    "--settings", type=click.Path(path_type=Path), help="The settings file (default: rulebot.toml)."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the specs."
)


# --- Whether an option was given by the person who typed the command


def is_explicit(name: str) -> bool:
    """Say whether an option of this command, by its parameter's name, was given on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
