"""Run a command of the product: `python -m tests.nets.product run ...`, as `rulebot run ...`.

This is the only module of the nets that imports the product. A move of its packages changes this file alone.

The variable RULEBOT_NETS_CHANGE names one change that is made before the command runs. Self tests use it. Most changes
patch ib_async, so that they outlive a rename in the engine.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

CHANGE = "RULEBOT_NETS_CHANGE"


def run_command() -> None:
    """Run the product's command line with the arguments of this process."""
    from engine.cli.main import main

    main(prog_name="rulebot")


def invoke(arguments: Sequence[str]) -> str:
    """Run a command in this process and return what it printed."""
    from click.testing import CliRunner

    from engine.cli.main import main

    return CliRunner().invoke(main, list(arguments), catch_exceptions=False).stdout


def _worse_tick() -> None:
    """Send the first order one tick of 0.05 worse."""
    from ib_async.client import Client

    send: Callable[..., Any] = Client.placeOrder
    sent: list[int] = []

    def place(self: Client, order_id: int, contract: Any, order: Any) -> Any:
        if not sent:
            order.lmtPrice = round(order.lmtPrice + 0.05, 2)
        sent.append(order_id)
        return send(self, order_id, contract, order)

    patch.object(Client, "placeOrder", place).start()


def _missed_cancel() -> None:
    """Send no cancel."""
    from ib_async.client import Client

    patch.object(Client, "cancelOrder", lambda self, *given: None).start()


def _commission_cent() -> None:
    """Read the first commission one cent too high."""
    from ib_async.wrapper import Wrapper

    read: Callable[..., Any] = Wrapper.commissionReport
    seen: list[str] = []

    def commission(self: Wrapper, report: Any) -> Any:
        if not seen:
            report.commission += 0.01
        seen.append(report.execId)
        return read(self, report)

    patch.object(Wrapper, "commissionReport", commission).start()


def _scrambled_texts() -> None:
    """Print every line backwards, and let a start read other words in every text for people that its store has."""
    import click

    from engine.record.texts import scrambled
    from engine.store.journal import SqlJournal

    say: Callable[..., Any] = click.echo
    recall: Callable[..., Any] = SqlJournal.recall

    def backwards(message: object = None, *given: Any, **more: Any) -> None:
        say(str(message)[::-1] if isinstance(message, str) else message, *given, **more)

    def recalled(self: SqlJournal, at: Any) -> Any:
        found = recall(self, at)
        return replace(found, records=tuple(map(scrambled, found.records)))

    patch.object(click, "echo", backwards).start()
    patch.object(SqlJournal, "recall", recalled).start()


CHANGES: dict[str, Callable[[], None]] = {
    "worse tick": _worse_tick,
    "missed cancel": _missed_cancel,
    "commission cent": _commission_cent,
    "scrambled texts": _scrambled_texts,
}

if __name__ == "__main__":
    if name := os.environ.get(CHANGE):
        CHANGES[name]()
    run_command()
