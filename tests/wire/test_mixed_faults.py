"""Several faults at once: when they are over, what a client was told last is what is true."""

import json
from random import Random

import pytest
from raw_client import DAY, Message, RawClient, con_id, contract, order, run

from rulebot.chaos.generator import PARAMETERS
from twsim import KINDS, STANDING, GatewaySettings, RunningGateway, read_faults, start_gateway
from twsim.faults.kinds import CONNECT

OF_CONNECTIONS = {"cut", "silence", "garbage", "slow", "restart", "hang_up", "id_in_use", "incomplete", "time_passes"}
OTHER_CONTRACTS = {"chain_hole", "adjusted", "not_subscribed", "delayed_data", "short_day", "time_zone", "broker_clock"}
MIXED = [kind for kind in KINDS if kind not in OF_CONNECTIONS | OTHER_CONTRACTS]
UNTOLD = {"swallow_order", "pacing", "late_order", "lose_ack", "lost_execution", "correction"}
"""A client does not hear everything about orders that meet these faults."""
STRIKES = (5200, 5800, 5850, 5880, 5890, 5900, 5950, 6100)


def drawn(chance: Random) -> list[dict[str, object]]:
    """Return up to five faults, that begin and end within the first minutes."""
    found = []
    for kind in chance.choices(MIXED, k=chance.randint(1, 5)):
        on = chance.choice([each for each in KINDS[kind].triggers if each not in (STANDING, CONNECT)] or [CONNECT])
        at = f"09:3{chance.randint(0, 1)}:{chance.randint(0, 11) * 5:02d}"
        fault: dict[str, object] = {"kind": kind, **({"at": at} if on == "at" else {"on": on})}
        if on not in ("at", CONNECT):
            fault["number"] = chance.choice((1, 1, 2, 3, "each"))
        fault |= PARAMETERS.get(kind, lambda _: {})(chance)
        found.append({**fault, **({"seconds": chance.choice((5, 10, 20, 40))} if "seconds" in fault else {})})
    return found


class Trader:
    """A client that does this and that, and keeps all that it is told."""

    def __init__(self, client: RawClient, running: RunningGateway, chance: Random) -> None:
        self.client, self.running, self.chance = client, running, chance
        self.reported: list[Message] = []
        self.orders = self.lines = 0

    async def pass_time(self, fences: int = 1) -> None:
        self.reported += await self.client.fence(fences)

    def act(self) -> None:
        what = self.chance.random()
        con = con_id(self.running, self.chance.choice(STRIKES), self.chance.choice("PC"))
        if what < 0.35:
            self.lines += 1
            self.client.send(1, 11, 100 + self.lines, *contract(con), 0, self.chance.choice(("", "101")), 0, 0, "")
        elif what < 0.75:
            self.orders += 1
            limit, count = self.chance.choice(("300.00", "0.05", "10.00")), self.chance.randint(1, 3)
            side = self.chance.choice(("BUY", "SELL"))
            self.client.send(*order(self.orders, con, action=side, quantity=count, limit=limit))
        elif self.orders:
            self.client.send(4, 1, self.chance.randint(1, self.orders))

    def lines_that_are_wrong(self) -> list[object]:
        quotes: dict[tuple[str, str], tuple[str, str]] = {}
        greeks, counts = {}, {(each[2], each[3]) for each in self.reported if each[0] == "2"}
        for each in self.reported:
            if each[0] == "1":
                quotes[each[2], each[3]] = each[4], each[5]
            elif each[0] == "2" and (side := {"0": "1", "3": "2"}.get(each[3])):
                quotes[each[2], side] = quotes[each[2], side][0], each[4]
            elif each[0] == "21":
                greeks[each[1]] = each[5]
        wrong: list[object] = []
        for line in self.running.gateway.hub.sessions[1].wants.lines.values():
            ticks, name = self.running.market.ticks(line.con_ids), str(line.req_id)
            sides = {"1": (ticks.bid[0], ticks.bid_size[0]), "2": (ticks.ask[0], ticks.ask_size[0])}
            for side, (price, size) in sides.items():
                true = (-1.0, 0.0) if price != price else (round(float(price), 2), float(size))
                if tuple(map(float, quotes[name, side])) != true:
                    wrong.append((name, side, quotes[name, side], true))
            if abs(float(greeks[name]) - float(ticks.delta[0])) > 2e-6 or (
                line.generics and (name, "27") not in counts
            ):
                wrong.append((name, greeks[name], counts))
        return wrong

    def orders_that_are_wrong(self) -> list[object]:
        last = {each[1]: (each[2], float(each[3])) for each in self.reported if each[0] == "3"}
        views = (*self.running.exchange.open_orders(), *self.running.exchange.completed_orders())
        own = {str(each.ticket.order_id): each for each in views if each.ticket.client_id == 1}
        true = {name: (each.status.value, float(each.filled)) for name, each in own.items()}
        return [(name, last.get(name), each) for name, each in true.items() if last.get(name) != each]

    def positions(self) -> dict[int, float]:
        rows = {int(each[3]): float(each[14]) for each in self.reported if each[0] == "61"}
        return {con: quantity for con, quantity in rows.items() if quantity}


def check(seed: int) -> None:
    async def main() -> None:
        chance = Random(seed)
        faults = drawn(chance)
        plan = read_faults(json.dumps({"faults": faults}), "faults.json")
        settings = GatewaySettings(first_day=DAY, fence_seconds=5, data_seconds=5, seed=seed % 5 + 1)
        running = await start_gateway(settings, faults=plan)
        try:
            trader = Trader(await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP"), running, chance)
            trader.client.send(61, 1)
            await trader.pass_time(10)
            for _ in range(26):
                for _ in range(chance.randint(0, 3)):
                    trader.act()
                await trader.pass_time()
            running.calm()
            await trader.pass_time(14)
            assert not running.has_failed
            assert trader.lines_that_are_wrong() == [], faults
            assert trader.positions() == {each.con_id: float(each.quantity) for each in running.exchange.positions()}
            if not {each["kind"] for each in faults} & UNTOLD:
                assert trader.orders_that_are_wrong() == [], faults
            trader.client.close()
        finally:
            await running.stop()

    run(main)


@pytest.mark.parametrize("seed", range(8))
def test_what_was_reported_last_is_true(seed: int) -> None:
    check(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 300))
def test_what_was_reported_last_is_true_for_many_seeds(seed: int) -> None:
    check(seed)
