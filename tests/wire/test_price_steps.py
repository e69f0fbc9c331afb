"""The price grids of options as the broker tells them, over the wire, and what keeps to them."""

import logging
from dataclasses import replace
from decimal import Decimal

import pytest
from ib_session import connected, gateway, leg, order, play_until, run

from rulebot.adapters.ib.broker import IbConnection
from rulebot.model.contract import Option, Right, product
from rulebot.model.event import OrderMessage, OrderReport
from rulebot.model.facts import Listing
from rulebot.model.money import TickRule
from rulebot.model.order import OrderType, Side

OUTSIDE = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))


async def listed(world: IbConnection, symbol: str) -> Listing:
    """Return what is listed of an underlying, with the strikes of its last expiry."""
    listing = await world.feed.listing(symbol, product(symbol).same_day_class)
    assert listing.ticks is None
    return await world.feed.strikes(listing, listing.expiries[-1])


def test_each_class_is_reported_with_its_grid_and_a_rule_is_asked_for_once() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            wire = world.feed._wire
            assert wire is not None
            asked, ask = [], wire.client.reqMarketRule
            wire.client.reqMarketRule = lambda number: (asked.append(number), ask(number))
            for symbol in ("GGG", "SPX", "SPY", "AAPL", "XSP"):
                ticks = OUTSIDE if symbol == "GGG" else product(symbol).option_ticks
                assert (await listed(world, symbol)).ticks == ticks
            assert sorted(asked) == ["239", "26", "32"]

    run(scenario())


def test_a_rule_that_is_not_answered_leaves_the_table_and_is_not_waited_for_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.adapters.ib.contracts.RULE_SECONDS", 0.2)

    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            wire = world.feed._wire
            assert wire is not None
            asked = []
            wire.client.reqMarketRule = asked.append
            with caplog.at_level(logging.WARNING, "rulebot.ib"):
                found = await listed(world, "GGG")
                assert (found.ticks, bool(found.strikes)) == (None, True)
                assert (await world.feed.strikes(found, found.expiries[0])).ticks is None
            assert asked == ["239"]
            assert "market rule 239 within 0.2 s" in caplog.text

    run(scenario())


def test_the_gateway_refuses_a_stop_between_two_steps_and_takes_one_on_them() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            found = await listed(world, "GGG")
            expiry = found.expiries[-1]
            option = Option("GGG", "GGG", expiry, found.strikes[expiry][0], Right.PUT)
            sent = order(1, leg(option, Side.BUY), kind=OrderType.STOP, stop_price=Decimal("4.73"), side=Side.BUY)
            world.broker.submit(sent)
            received = await play_until(world, lambda event: isinstance(event, OrderMessage))
            assert [each.message.code for each in received if isinstance(each, OrderMessage)][-1:] == [110]
            world.broker.submit(replace(sent, order_id=2, ref="rb:again:2", stop_price=Decimal("4.80")))
            assert await play_until(world, lambda event: isinstance(event, OrderReport) and event.order_id == 2)

    run(scenario())
