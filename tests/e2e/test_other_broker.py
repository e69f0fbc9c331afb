"""A broker with other words than TWS trades a day: every command and every fill is that of the same day at IB."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rulebot.adapters.ib.broker import IbConnection
from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World, attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.order import Order
from rulebot.model.session import at_exchange_time
from rulebot.ports import Broker, Link
from rulebot.record.record import Kind
from tests.e2e.other_broker import NOTES, PortsWorld, acme_ports
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, read_faults, start_gateway

DAY = date(2026, 10, 21)
TWS_WORDS = ("Submitted", "Cancelled", "Filled", "Inactive", "Order Canceled", "reason:")
Ports = Callable[[IbConnection], tuple[Link, Broker]]


@dataclass
class Written:
    """The Broker port that notes each command before it is sent."""

    inner: Broker
    link: Link
    commands: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return the command of this name."""

        def send(*orders: Order) -> None:
            self.commands.append((self.link.now, name, *map(_terms, orders)))  # type: ignore[attr-defined]
            getattr(self.inner, name)(*orders)

        return send


def _terms(order: Order) -> tuple[object, ...]:
    what = order.ref, order.purpose, order.reason, order.legs, order.side, order.quantity, order.kind
    return *what, order.limit_price, order.stop_price, order.time_in_force, order.oca_group, order.order_id


class DayLeft(NamedTuple):
    """What a day left: its commands, its fills without their ids, and all its records as text."""

    commands: list[tuple[Any, ...]]
    fills: list[tuple[object, ...]]
    money: Decimal
    day: CheckedDay


def ib_ports(exchange: IbConnection) -> tuple[Link, Broker]:
    """Return IB's own ports."""
    return exchange.link, exchange.broker


def simulated(folder: Path, spec: str, faults: tuple[str, ...], until: time, ports: Ports) -> DayLeft:
    """Run one bot at the broker of these ports."""
    plan = read_faults("faults:\n" + "".join(f"  - {{{each}}}\n" for each in faults)) if faults else None
    store, written = folder / "s.db", []

    @asynccontextmanager
    async def world(port: int) -> AsyncIterator[World]:
        async with attached("127.0.0.1", port, 1, "", lockstep=True) as found:
            link, broker = ports(found.ib)
            written.append(Written(broker, found.ib.link))
            yield PortsWorld(found.ib, None, ports=(link, written[0]))  # type: ignore[arg-type]

    def started(run: Run) -> None:
        run.last = at_exchange_time(DAY, until)

    async def body() -> CheckedDay:
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7, data_seconds=5), faults=plan)
        try:
            options = RunOptions(store=store, logs=None, sessions=None, install="o")
            desk = load_all_bots(spec_files([spec]), {}, None)
            await execute(desk, options, world(gateway.port), started, lambda run, at: None)
            assert gateway.ledger is not None
            return read_day(store, gateway.ledger.totals(), {})
        finally:
            await gateway.stop()

    folder.mkdir()
    day = asyncio.run(body())
    fills = [record.data for record in day.records if record.kind is Kind.FILL]
    reported = ("ref", "leg", "is_buy", "quantity", "price", "executed_at", "purpose")
    net = sum((position.net for position in day.positions.values()), Decimal(0))
    return DayLeft(written[0].commands, [tuple(fill[name] for name in reported) for fill in fills], net, day)


def words_of(day: CheckedDay) -> set[str]:
    """Return the words of Acme that stand in the texts of its messages."""
    texts = [str(record.data["text"]) for record in day.records if record.kind is Kind.MESSAGE]
    assert all(text.startswith("Acme: ") for text in texts)
    return {word for word in NOTES if any(f"'{word}'" in text for text in texts)}


@pytest.mark.parametrize(
    ("spec", "faults", "until", "words"),
    [
        ("put_lite", (), time(16, 5), set()),
        (
            "spy_put_seller",
            (
                "kind: reject, on: order, number: 2",
                "kind: correction, on: fill, seconds: 20, price_by: -0.05",
                'kind: person_cancels_all, at: "10:00:00"',
            ),
            time(10, 30),
            {"NAK", "GONE"},
        ),
        (
            "spy_put_seller",
            ("kind: swallow_order, on: order, number: 2", "kind: warning, on: order, number: 3, code: 2109"),
            time(10, 30),
            {"WHO", "STAYS", "FYI"},
        ),
    ],
)
def test_a_day_at_another_broker_is_the_same_as_at_ib(
    spec: str, faults: tuple[str, ...], until: time, words: set[str], tmp_path: Path
) -> None:
    at_ib = simulated(tmp_path / "ib", spec, faults, until, ib_ports)
    at_acme = simulated(tmp_path / "acme", spec, faults, until, acme_ports)
    assert [command[1] for command in at_ib.commands].count("submit") > 0
    assert at_acme.commands == at_ib.commands
    assert (at_acme.fills, at_acme.money) == (at_ib.fills, at_ib.money)
    assert at_ib.fills
    assert words_of(at_acme.day) >= words
    assert compare_books(at_ib.day) == []
    kept = json.dumps([record.data for record in at_acme.day.records], default=str)
    assert [word for word in TWS_WORDS if word in kept] == []
