"""GET /metrics: what a store knows and what a running engine shows, in the words of Prometheus."""

import asyncio
import builtins
import math
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from run_day import day_program, day_state
from store_day import CONDOR, SELLER, WATCHER, at, small_day
from web_client import TOKEN, Answer, Client, Elapsed

from rulebot.core.state.state import Connection, Inquiries, Shortfall, Subscriptions
from rulebot.live import start
from rulebot.live.start import LAG_BOUNDS, Run, Spread, Vitals
from rulebot.model.contract import Underlying
from rulebot.model.facts import Account
from rulebot.model.order import OrderStatus, Purpose
from rulebot.narrate.snapshot_of_state import today_of
from rulebot.process.service import Heartbeat
from rulebot.record.record import Kind as RecordKind
from rulebot.record.record import Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.access import Access
from rulebot.web.live import Live, snapshot_of_run
from rulebot.web.metrics import samples as of_store
from rulebot.web.metrics.exposition import registry
from rulebot.web.metrics.samples import (
    ENGINE,
    METRICS,
    PROCESS,
    STORE,
    StoreSamples,
    samples_of_run,
    samples_of_store,
    samples_of_waiting,
    series,
    unprotected_since,
)
from rulebot.web.server import Bind, Server, application

Values = dict[tuple[str, tuple[str, ...]], float]


def values(text: str) -> Values:
    """Return every value by the name of its series and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def reported(client: Client) -> Values:
    answer: Answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return values(answer.body.decode())


# ---------------------------------------------------------------- names


def test_names_are_as_prometheus_has_them() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"(rulebot|process)_[a-z_]+", metric.name), metric.name
        assert not metric.name.endswith(("_total", "_bucket", "_count", "_sum")), metric.name
        assert metric.meaning.endswith("."), metric.name
        assert all(re.fullmatch("[a-z]+", label) for label in metric.labels)
        for unit in ("seconds", "dollars", "bytes"):
            assert (metric.unit == unit) <= (unit in metric.name), f"{metric.name} is in {unit} and does not say so"
    assert len(METRICS) == len(STORE) + len(ENGINE) + len(PROCESS)


# ---------------------------------------------------------------- the store alone


def test_the_gate_is_before_it(client: Client) -> None:
    assert client.send("GET", "/metrics").status == 401
    assert client.get("/metrics", Host="evil.example").status == 403
    assert client.get("/metrics", Origin="https://evil.example").status == 403
    assert client.post("/metrics").status == 405


def test_a_store_alone_reports_what_it_knows_and_nothing_of_an_engine(any_client: Client) -> None:
    found = reported(any_client)
    assert {name for name, _ in found} <= series(STORE) | series(PROCESS) | {
        f"{metric.name}_created" for metric in METRICS.values()
    }
    expected = {
        ("rulebot_engine_running", ()): 0,
        ("rulebot_trading_active", ()): 0,
        ("rulebot_store_records_total", ()): len(small_day()),
        ("rulebot_store_last_record_timestamp_seconds", ()): max(each.at for each in small_day()).timestamp(),
        ("rulebot_alarms_total", (SELLER,)): 1,
        ("rulebot_alarms_total", (CONDOR,)): 0,
        ("rulebot_broker_connection_losses_total", ()): 0,
        ("rulebot_orders_total", (CONDOR, "entry")): 1,
        ("rulebot_orders_total", (WATCHER, "entry")): 0,
        ("rulebot_orders_ended_total", (CONDOR, "exit", "filled")): 1,
        ("rulebot_orders_ended_total", (CONDOR, "exit", "rejected")): 0,
        ("rulebot_orders_working", (SELLER, "stop")): 1,
        ("rulebot_orders_unknown", (SELLER,)): 0,
        ("rulebot_fills_total", (CONDOR,)): 8,
        ("rulebot_fills_total", (WATCHER,)): 0,
        ("rulebot_positions_open", (SELLER,)): 1,
        ("rulebot_positions_open", (CONDOR,)): 0,
        ("rulebot_bot_entries_today", (CONDOR,)): 1,
        ("rulebot_bot_realized_profit_dollars", (CONDOR,)): 36.80,
        ("rulebot_bot_net_profit_dollars", (CONDOR,)): 36.80,
        ("rulebot_bot_open_profit_dollars", (SELLER,)): 7.00,
    }
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)


def test_slippage_is_dollars_worse_than_the_mid(client: Client) -> None:
    found = reported(client)
    assert found["rulebot_slippage_dollars", (CONDOR, "entry")] == pytest.approx(5.0)  # sold at 0.85, the mid was 0.90
    assert found["rulebot_slippage_dollars", (CONDOR, "exit")] == pytest.approx(-5.0)  # bought at 0.40, it was 0.45
    assert ("rulebot_slippage_dollars", (SELLER, "entry")) not in found  # its mid was not recorded


def test_times_to_fill_and_ladder_steps_are_of_worked_orders(tmp_path: Path) -> None:
    records = []
    for record in small_day():  # the condor's entry fills 25 seconds and three prices after it was written down
        data: dict[str, Any] = dict(record.data)
        if record.kind is RecordKind.FILL and data["ref"] == "rb-1":
            data["executed_at"] = (at("09:52") + timedelta(seconds=25)).isoformat()
        if record.kind is RecordKind.ORDER and data["ref"] == "rb-1":
            data["attempt"] = 3
        records.append(replace(record, data=data))
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([*records, Record(at("16:00"), RecordKind.LINK, data={"up": False, "reason": "gone"})], durable=True)
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        found = {(each.name, each.labels): each.value for each in samples_of_store(reader, {})}
    took, steps = (found[f"rulebot_order_{name}", (CONDOR, "entry")] for name in ("fill_seconds", "ladder_steps"))
    assert isinstance(took, Spread)
    assert isinstance(steps, Spread)
    assert (took.total, took.counts[took.bounds.index(30)], sum(took.counts)) == (25.0, 1, 1)
    assert (steps.total, steps.counts[steps.bounds.index(3)], sum(steps.counts)) == (3.0, 1, 1)
    assert ("rulebot_order_fill_seconds", (SELLER, "stop")) not in found
    none = found["rulebot_order_fill_seconds", (WATCHER, "exit")]  # of a series that begins at 1 no rate sees the first
    assert isinstance(none, Spread)
    assert sum(none.counts) == 0
    assert found["rulebot_broker_connection_losses", ()] == 1


def test_a_store_is_counted_again_only_when_something_was_recorded(
    day_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    monkeypatch.setattr(of_store, "samples_of_store", lambda reader, known: counted.append(reader) or [len(counted)])
    clock = SimpleNamespace(now=0.0)
    samples = StoreSamples(day_store, lambda: clock.now)
    assert [samples.now(), samples.now(), len(counted)] == [[1], [1], 1]
    clock.now += 10
    assert samples.now() == [1]
    journal = SqlJournal(open_store(day_store))
    journal.append([Record(at("16:00"), RecordKind.ALARM, data={"text": "look"})], durable=True)
    assert samples.now() == [1]
    clock.now += 10
    assert samples.now() == [2]
    journal.close()


def test_without_the_package_it_says_what_to_install(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *others: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ModuleNotFoundError(name)
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", missing)
    answer = client.get("/metrics")
    assert (answer.status, answer.json["code"]) == (501, "not_installed")
    assert "rulebot[metrics]" in answer.json["message"]


def test_another_form_is_given_to_who_asks_for_it(client: Client) -> None:
    answer = client.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


# ---------------------------------------------------------------- an engine


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def engine(clock: str = "10:30", **changes: Any) -> Any:
    """Return what is read of a run, with the hand-made day as its state."""
    counted = SimpleNamespace(numMsgSent=12, numMsgRecv=3400)
    wire = SimpleNamespace(
        client=SimpleNamespace(connectionStats=lambda: counted),
        pace=SimpleNamespace(waiting=4, is_waiting=True),
        requests=SimpleNamespace(in_flight=SimpleNamespace(open=3, waiting=2)),
        settings=SimpleNamespace(messages_per_second=45, max_requests=40),
    )
    link = SimpleNamespace(wire=wire, is_up=True, is_simulated=True, is_lockstep=True, account="DU1")
    feed = SimpleNamespace(lines=9, unwatched=(Underlying("QQQ"),), troubles={})
    return SimpleNamespace(
        loop=SimpleNamespace(
            state=day_state(clock)._replace(**changes),
            program=day_program(),
            at=at(clock),
            spent=SimpleNamespace(events=50, turns=1.5, journal=0.5),
        ),
        world=SimpleNamespace(ib=SimpleNamespace(link=link, feed=feed)),
        options=SimpleNamespace(settings={"mode": "paper"}, line_limit=90),
        first=at("09:25"),
        last=None,
    )


def shown(run: Any, clock: Clock | None = None, silence: float = 0.5) -> Values:
    """Return what is told of such a run, as Prometheus would read it."""
    from prometheus_client import generate_latest

    vitals = Vitals(cast(Run, run), clock or Clock())
    picture = snapshot_of_run(run, run.loop.at)
    return values(generate_latest(registry(lambda: samples_of_run(vitals, picture, silence))).decode())


def test_a_running_engine_shows_itself() -> None:
    found = shown(engine())
    expected = {
        ("rulebot_engine_info", ("paper", "yes")): 1,
        ("rulebot_engine_silence_seconds", ()): 0.5,
        ("rulebot_engine_events_total", ()): 50,
        ("rulebot_engine_turn_seconds_total", ()): 1.5,
        ("rulebot_engine_journal_seconds_total", ()): 0.5,
        ("rulebot_session_open", ()): 1,
        ("rulebot_trading_active", ()): 1,
        ("rulebot_bot_state", (CONDOR, "open")): 1,
        ("rulebot_bot_state", (CONDOR, "flat")): 0,
        ("rulebot_bot_state", (WATCHER, "watching")): 1,
        ("rulebot_broker_connected", ()): 1,
        ("rulebot_broker_messages_sent_total", ()): 12,
        ("rulebot_broker_messages_received_total", ()): 3400,
        ("rulebot_broker_messages_waiting", ()): 4,
        ("rulebot_broker_messages_limit", ()): 45,
        ("rulebot_broker_requests_open", ()): 3,
        ("rulebot_broker_requests_waiting", ()): 2,
        ("rulebot_broker_requests_limit", ()): 40,
        ("rulebot_market_data_lines", ()): 9,
        ("rulebot_market_data_lines_limit", ()): 90,
        ("rulebot_market_data_lines_unserved", ()): 1,
        ("rulebot_quote_age_seconds", ("SPX",)): 0,
        ("rulebot_position_quote_age_seconds", (CONDOR,)): 0,
        ("rulebot_positions_open", (CONDOR,)): 1,
        ("rulebot_positions_open", (WATCHER,)): 0,
        ("rulebot_orders_resting", (SELLER,)): 2,
        ("rulebot_position_unprotected_seconds", (SELLER,)): 0,
        ("rulebot_position_unprotected_seconds", (CONDOR,)): (at("10:30") - at("09:52")).total_seconds(),
        ("rulebot_reconcile_lag_seconds", ()): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert {name for name, _ in found} <= series()
    assert sum(value for (name, _), value in found.items() if name == "rulebot_bot_state") == 3


def test_a_quote_grows_old_until_the_next_one_comes() -> None:
    run = engine()
    run.loop.at += timedelta(seconds=40)
    found = shown(run)
    assert found["rulebot_quote_age_seconds", ("VIX",)] == 40
    assert found["rulebot_position_quote_age_seconds", (CONDOR,)] == 40
    assert found["rulebot_market_data_age_seconds", ()] == 40


def test_without_any_market_data_its_age_is_that_of_the_connection() -> None:
    """It was told by nothing, so that no rule fired for an engine that was started and got none."""
    run = engine()
    run.loop.state.market.board.alive_at = math.nan
    clock = Clock()
    vitals = Vitals(cast(Run, run), clock)
    vitals.look()
    clock.now += 40
    samples = samples_of_run(vitals, snapshot_of_run(run, run.loop.at), 0.5)
    assert [each.value for each in samples if each.name == "rulebot_market_data_age_seconds"] == [40]


def test_without_lockstep_it_grows_old_also_while_the_engine_stands_still() -> None:
    run = engine()
    run.world.ib.link.is_lockstep = False
    assert shown(run, silence=70.0)["rulebot_market_data_age_seconds", ()] == 70
    run.world.ib.link.is_lockstep = True
    assert shown(run, silence=70.0)["rulebot_market_data_age_seconds", ()] == 0


def test_profit_of_a_bot_is_that_of_its_positions_today() -> None:
    run = engine()
    found = shown(run)
    (row,) = [bot for bot in snapshot_of_run(run, run.loop.at).bots if bot.bot == CONDOR]
    assert found["rulebot_bot_open_profit_dollars", (CONDOR,)] == row.profit != 0


@pytest.mark.parametrize("is_present", [True, False])
def test_what_a_bot_has_realised_and_what_is_open_add_up_while_an_exit_is_filled_in_part(is_present: bool) -> None:
    """What had filled was in neither: the bot's day has it once the position is open again, or closed."""
    run = engine()
    state = run.loop.state
    held = state.positions.by_id["P1"]
    closed = replace(held.legs[0], closed=1, exit_cash=Decimal(-130))
    position = replace(held, state="exiting", legs=(closed, *held.legs[1:]))
    bots = {name: bot for name, bot in state.bots.by_name.items() if is_present or name != CONDOR}
    run.loop.state = state._replace(
        positions=replace(state.positions, by_id={**state.positions.by_id, "P1": position}),
        bots=replace(state.bots, by_name=bots),
    )
    found = shown(run)
    realized, still = (found[f"rulebot_bot_{name}_profit_dollars", (CONDOR,)] for name in ("realized", "open"))
    assert realized < -70
    assert realized + still == pytest.approx(float(today_of(run.loop.state, position, run.loop.at) or 0))


def test_a_doubt_and_a_question_without_answer_grow_old() -> None:
    run = engine(inquiries=Inquiries(asked_at=at("10:27")))
    option = next(iter(run.loop.state.positions.by_id.values())).legs[0].option
    run.loop.state = run.loop.state._replace(
        account=replace(run.loop.state.account, shortfalls={option: Shortfall(at("10:29"), -1)})
    )
    found = shown(run)
    assert found["rulebot_reconcile_age_seconds", ()] == 180
    assert found["rulebot_reconcile_lag_seconds", ()] == 60


def test_without_a_connection_nothing_is_said_of_its_messages() -> None:
    from rulebot.model.errors import BrokerError

    class Down(SimpleNamespace):
        is_up, is_simulated, is_lockstep, account = False, True, True, "DU1"

        @property
        def wire(self) -> Any:
            raise BrokerError("there is no connection to the broker")

    run = engine(connection=Connection())
    run.world.ib.link = Down()
    found = shown(run)
    assert found["rulebot_broker_connected", ()] == 0
    assert not [name for name, _ in found if name.startswith("rulebot_broker_messages")]


def test_protection_counts_from_the_last_order_that_covered() -> None:
    state = day_state("10:30")
    (position,) = [each for each in state.positions.by_id.values() if each.bot == SELLER]
    assert unprotected_since(state, position) is None
    over = at("10:12")
    orders = {
        ref: replace(order, status=OrderStatus.CANCELLED, changed_at=over) if order.purpose is Purpose.STOP else order
        for ref, order in state.orders.by_ref.items()
    }
    assert unprotected_since(state._replace(orders=replace(state.orders, by_ref=orders)), position) == over
    reported = replace(position, unprotected_since=at("10:20"))
    assert unprotected_since(state._replace(orders=replace(state.orders, by_ref=orders)), reported) == at("10:20")


def test_what_a_roll_opens_covers_nothing_of_what_it_closes() -> None:
    state = day_state("10:30")
    (position,) = [each for each in state.positions.by_id.values() if each.bot == SELLER]
    stop = next(order for order in state.orders.by_ref.values() if order.purpose is Purpose.STOP)
    both = (*stop.legs, *(replace(leg, opens=True) for leg in stop.legs))
    state = state._replace(
        orders=replace(
            state.orders, by_ref={"roll": replace(stop, purpose=Purpose.ROLL, legs=both, opens_position="the next one")}
        )
    )
    assert unprotected_since(state, position) is None
    legs = tuple(replace(leg, opened=2 * leg.opened) for leg in position.legs)
    assert unprotected_since(state, replace(position, legs=legs)) == position.opened_at


# ---------------------------------------------------------------- vitals


def test_vitals_count_connection_throttling_and_evictions() -> None:
    clock, run = (
        Clock(),
        engine(subscriptions=Subscriptions(streamed=(Underlying("SPX"), Underlying("SPY"), Underlying("QQQ")))),
    )
    vitals = Vitals(run, clock)
    vitals.look()
    clock.now += 2
    run.loop.state = run.loop.state._replace(
        subscriptions=replace(run.loop.state.subscriptions, streamed=(Underlying("SPX"), Underlying("IWM")))
    )
    vitals.look()
    assert (vitals.linked_seconds, vitals.linked_for, vitals.throttled_seconds, vitals.evicted) == (2, 2, 2, 2)
    run.loop.state = run.loop.state._replace(
        connection=replace(run.loop.state.connection, is_linked=False),
        subscriptions=replace(run.loop.state.subscriptions, streamed=()),
    )
    run.world.ib.link.is_up = False
    clock.now += 5
    vitals.look()
    assert (vitals.linked_seconds, vitals.linked_for, vitals.throttled_seconds, vitals.evicted) == (2, 0, 2, 2)


def test_how_late_a_timer_comes_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "EVERY", 0.0)
    clock = Clock()
    vitals = Vitals(engine(), clock)

    async def block() -> None:
        watching = asyncio.ensure_future(vitals.watch())
        await asyncio.sleep(0)  # it has gone to sleep
        clock.now += 0.12  # and the loop stands still
        await asyncio.sleep(0)
        watching.cancel()

    asyncio.run(block())
    assert vitals.lag.total == pytest.approx(0.12)
    assert vitals.lag.counts[LAG_BOUNDS.index(0.25)] == sum(vitals.lag.counts) == 1


def test_an_engine_in_this_process_is_reported_with_its_store(day_store: Path) -> None:
    run = engine("15:30")
    live = Live(day_store)
    live.attend(Vitals(run))
    live.show(run, run.loop.at)
    access = Access(token=TOKEN)
    server = Server(lambda stopping: application(day_store, access, live, stopping=stopping), Bind(port=0))
    client = Client(int(server.start().rstrip("/").rpartition(":")[2]), Elapsed(), day_store)
    try:
        found = reported(client)
        assert found["rulebot_broker_connected", ()] == 1
        assert found["rulebot_trading_active", ()] == 1  # the store alone would say 0: nobody holds it
        assert found["rulebot_store_records_total", ()] == len(small_day())
        live.end()
        found = reported(client)
        assert ("rulebot_broker_connected", ()) not in found
        assert found["rulebot_trading_active", ()] == 0
    finally:
        server.stop()


def test_an_engine_that_waits_for_its_gateway_is_not_connected(day_store: Path) -> None:
    """It told nothing of a connection, so that no rule of Prometheus fired however long it waited."""
    heartbeat = Heartbeat()
    heartbeat.waits("nothing listens on ib-gateway:4004")
    live = Live(day_store, heartbeat=heartbeat)
    server = Server(lambda stopping: application(day_store, Access(token=TOKEN), live, stopping=stopping), Bind(port=0))
    client = Client(int(server.start().rstrip("/").rpartition(":")[2]), Elapsed(), day_store)
    try:
        assert reported(client)["rulebot_broker_connected", ()] == 0
    finally:
        server.stop()
    clocks = {"09:29": 0, "09:30": 1, "15:59": 1, "16:00": 0}
    for clock, is_open in clocks.items():
        found = {each.name: each.value for each in samples_of_waiting(at(clock))}
        assert found == {"rulebot_broker_connected": 0, "rulebot_session_open": is_open}


def test_a_value_is_counted_in_the_first_bucket_that_is_not_below_it() -> None:
    spread = Spread((1.0, 5.0))
    for value in (0.5, 1.0, 1.1, 5.0, 9.0):
        spread.add(value)
    assert (spread.counts, spread.total) == ([2, 2, 1], 16.6)
    assert list(LAG_BOUNDS) == sorted(LAG_BOUNDS)


def test_every_metric_of_the_catalogue_is_reported_by_someone(client: Client) -> None:
    amount = Decimal("1000.50")
    account = Account("DU1", amount, amount, amount, amount, amount)
    run = engine(
        market=replace(day_state("10:30").market, facts=replace(day_state("10:30").market.facts, account=account))
    )
    picture = snapshot_of_run(run, at("10:30"))
    run.loop.program = SimpleNamespace(
        bots=run.loop.program.bots,
        governing=lambda _: SimpleNamespace(
            plan=replace(
                day_program().bots[SELLER].plan,
                risk=replace(day_program().bots[SELLER].plan.risk, max_time_without_stop=20.0),
            )
        ),
    )
    vitals = Vitals(run, Clock())
    of_engine = {each.name for each in samples_of_run(vitals, picture, 0.0)}
    with StoreReader(client.place) as reader:
        of_store = {each.name for each in samples_of_store(reader, {})}
    assert {metric.name for metric in STORE} == of_store
    assert {metric.name for metric in ENGINE} <= of_engine <= {metric.name for metric in (*ENGINE, *STORE)}
