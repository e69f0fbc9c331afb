"""The command line of the product, for processes of the nets.

This is the only module of the nets that imports the product. A move of its packages changes this file alone.

`run_command` may make one change before the command runs: self tests name it. Most changes patch ib_async, so that they
outlive a rename in the engine.
"""

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

PACKAGE = "rulebot"
COMMISSION = re.compile(rb"(59\x00\d+\x00([0-9a-f]{8}\.[^\x00]*)\x00)(\d\.\d+)\x00")
"""A commission report of a real execution: what comes before the amount, the execution, and the amount."""


def import_everything() -> None:
    """Import all modules of the product, so that forked processes need not. Those that lack a library are left out."""
    package = importlib.import_module(PACKAGE)
    for each in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.", onerror=lambda name: None):
        with suppress(ImportError):
            importlib.import_module(each.name)


def run_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, change: str = ""
) -> None:
    """Run the product's command line in this process, which ends with it. output: the file of what it prints;
    what it says of errors is beside it."""
    from rulebot.cli.main import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in ((1, output), (2, output.with_suffix(".errors"))):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), number)
    if change:
        CHANGES[change]()
    sys.argv = ["rulebot", *arguments]
    main(list(arguments), prog_name="rulebot")


def invoke(arguments: Sequence[str]) -> str:
    """Run a command in this process and return what it printed."""
    from click.testing import CliRunner

    from rulebot.cli.main import main

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
    """Read the commission of the first execution one cent too high, however often it is told."""
    from ib_async.connection import Connection

    read: Callable[..., Any] = Connection.data_received
    first: list[bytes] = []

    def raised(found: re.Match[bytes]) -> bytes:
        first.append(found[2])
        if found[2] != first[0]:
            return found[0]
        return found[1] + f"{float(found[3]) + 0.01:.{len(found[3]) - 2}f}".encode() + b"\0"

    def data_received(self: Connection, data: bytes) -> Any:
        return read(self, COMMISSION.sub(raised, data))

    patch.object(Connection, "data_received", data_received).start()


def _scrambled_texts() -> None:
    """Print every line backwards, and let a start read other words in every text for people that its store has."""
    import click

    from rulebot.record.record import scrambled
    from rulebot.store.journal import SqlJournal

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
