"""What a person sees while bots run: nothing but the end, until the table is drawn."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.run.desk import Desk
    from engine.run.start import Run, RunOptions


class PlainScreen:
    """Plain lines, for pipes and logs."""

    def __init__(self, desk: "Desk", options: "RunOptions") -> None:
        self._desk, self._options = desk, options

    def started(self, run: "Run") -> None:
        """Say where we are connected and where the store is."""
        click.echo(f"account {run.world.ib.link.account}   store {self._options.store}")

    def show(self, run: "Run", at: datetime) -> None:
        """Show the present instant."""

    def close(self) -> None:
        """End whatever is drawn."""

    def report(self, run: "Run") -> None:
        """Say what each bot did."""
        for name, bot in run.loop.state.bots.items():
            click.echo(f"{name}  {bot.waits}  {bot.day.realized}")


def open_screen(desk: "Desk", options: "RunOptions") -> PlainScreen:
    """Return the screen that fits where the output goes."""
    return PlainScreen(desk, options)
