"""`rulebot reload` against the simulated gateway: when it is taken up, what it leaves alone, and what it refuses."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.checks.journal.audit import audit_store
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World, attached
from rulebot.live.loop import STOPPED
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.errors import BrokerError
from rulebot.model.event import Request
from rulebot.model.facts import Listing
from rulebot.model.order import Order, Purpose
from rulebot.operator_requests.requests import POLL_SECONDS, post
from rulebot.ports import Feed
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.store.sqlite import hold_store
from tests.e2e.test_real_time import free_running
from tests.e2e.test_restart import in_loop, new_york
from tests.e2e.worlds import check_replays
from twsim import GatewaySettings, RunningGateway, start_gateway

Moment = Callable[[Run, datetime], bool]
Step = tuple[Moment, Callable[[Run], None]]


def bot(name: str, start: str = "09:45", leave: str = "10:40", order: str = "natural", symbol: str = "SPX") -> str:
    """Return a spread that is sold once a day from `start` and bought back at `leave`."""
    return f"""rulebot: 1
name: {name}
about: A bot of a test.
underlying: {symbol}
entry: {{window: {{from: "{start}", to: "15:00"}}, per_day: 1, when: [{{vix: {{below: 90}}}}]}}
legs:
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{delta: 0.10}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
order: {{start: {order}, wait: 40s, tries: 3, then: cancel}}
exits:
  - time: "{leave}"
    order: market
risk: {{max_loss_per_trade: $5000}}
"""


def specs_in(folder: Path, **texts: str) -> Path:
    """Write texts as the only specs of a folder."""
    place = folder / "specs"
    place.mkdir(exist_ok=True)
    for name in [file.stem for file in place.glob("*.yaml") if file.stem not in texts]:
        (place / f"{name}.yaml").unlink()
    for name, text in texts.items():
        (place / f"{name}.yaml").write_text(text, encoding="utf-8")
    return place


def at(hour: int, minute: int) -> Moment:
    goal = new_york(hour, minute)
    return lambda run, now: now >= goal


def steps(*planned: Step) -> Callable[[Run, datetime], None]:
    """Return a watcher that does each step once its moment has come, one after the other."""
    left = list(planned)

    def watcher(run: Run, now: datetime) -> None:
        if left and left[0][0](run, now):
            left.pop(0)[1](run)

    return watcher


def stop(run: Run) -> None:
    run.inbox.ask(Request.STOP)


def ask(run: Run) -> None:
    run.inbox.ask(Request.RELOAD)


async def live(
    gateway: RunningGateway, folder: Path, *planned: Step, store: str = "s.db", install: str = "x"
) -> CheckedDay:
    desk = load_all_bots([str(folder / "specs")], {}, None)
    tapes = folder / "tapes"
    options = RunOptions(store=folder / store, logs=None, sessions=None, install=install, tapes=tapes)
    world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
    await execute(desk, options, world, lambda run: None, steps(*planned))
    assert gateway.ledger is not None
    assert check_replays(tapes)
    return read_day(folder / store, gateway.ledger.totals(), {})


def reloads(day: CheckedDay) -> list[Record]:
    return [record for record in day.records if record.kind is Kind.RELOAD and not record.bot]


def said(day: CheckedDay) -> list[str]:
    return [str(record.data["what"]) for record in reloads(day)]


def entries(day: CheckedDay) -> list[Order]:
    return [order for order in day.orders.values() if order.purpose is Purpose.ENTRY]


def check(day: CheckedDay, store: Path) -> None:
    """Prove that the books are the broker's, and that what must always hold held."""
    assert compare_books(day) == []
    assert offences(day) == {}
    assert [evaluation.first for evaluation in audit_store(store) if not evaluation.holds] == []


def command(folder: Path, store: str = "s.db") -> Result:
    return CliRunner().invoke(main, ["reload", "--store", str(folder / store)])


def writes(folder: Path, **texts: str) -> Callable[[Run], None]:
    """Return a step that puts these specs into the folder and asks for a reload."""

    def step(run: Run) -> None:
        specs_in(folder, **texts)
        ask(run)

    return step


# ---------------------------------------------------------------- what is taken up


def test_an_added_bot_trades_and_a_changed_exit_is_for_new_positions(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"))
        added = bot("two", start="10:15", leave="11:00", symbol="SPY")
        changed = writes(folder, one=bot("one", leave="11:15"), two=added)
        day = await live(gateway, folder, (at(10, 0), changed), (at(10, 20), stop))
        assert said(day) == ["asked", "applied"]
        first, second = entries(day)
        assert (first.bot, second.bot) == ("one", "two")
        assert second.legs[0].option.symbol == "SPY"
        assert second.prepared_at is not None
        assert new_york(10, 15) <= second.prepared_at < new_york(10, 16)
        day = await live(gateway, folder, (at(11, 20), stop))
        closing = [order for order in day.orders.values() if order.purpose is Purpose.EXIT]
        left = {order.bot: order.prepared_at for order in reversed(closing)}
        assert left == {"one": new_york(10, 40), "two": new_york(11, 0)}
        assert len(entries(day)) == 2
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_an_added_bot_is_shown_what_no_bot_has_read_so_far(tmp_path: Path) -> None:
    """Bars of the session and of days, a year's volatility, and ticks of lines that stream already."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"))
        reads = "[{iv_rank: {at_least: 0}}, {sma: {window: 50, above: 1}}, {ema: {window: 9, bars: 5m, above: 1}}]"
        added = bot("two", start="10:15", leave="11:00").replace("[{vix: {below: 90}}]", reads)
        added = added.replace("order:", "  require: [{open_interest: {at_least: 1}}]\norder:", 1)
        changed = writes(folder, one=bot("one"), two=added)
        day = await live(gateway, folder, (at(10, 0), changed), (at(10, 30), stop))
        assert said(day) == ["asked", "applied"]
        entered = next(order for order in entries(day) if order.bot == "two")
        assert entered.prepared_at is not None
        assert new_york(10, 15) <= entered.prepared_at < new_york(10, 17)
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_a_changed_parent_is_for_new_positions_over_a_restart_too(tmp_path: Path) -> None:
    def child(name: str) -> str:
        return (
            f"rulebot: 1\nname: {name}\nabout: As its parent.\nextends: above\nentry: {{window: {{from: '09:45'}}}}\n"
        )

    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=child("one"), above=bot("above", start="10:35"))
        changed = writes(folder, one=child("one"), above=bot("above", start="10:35", leave="11:15"))
        day = await live(gateway, folder, (at(10, 0), changed), (at(10, 20), stop))
        assert [change["bot"] for change in reloads(day)[-1].data["changes"]] == ["above", "one"]  # type: ignore[index,union-attr]
        specs_in(folder, other=bot("other", start="14:00", leave="15:30"))
        day = await live(gateway, folder, (at(11, 20), stop))
        (position,) = day.positions.values()
        assert (position.bot, position.closed_at is not None and position.closed_at < new_york(10, 45)) == ("one", True)
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_a_symbol_that_left_the_file_of_a_universe_is_closed_by_its_text_over_a_restart_too(tmp_path: Path) -> None:
    taken = "universe: {file: funds.yaml, categories: [funds]}"
    many = bot("many").replace("underlying: SPX", taken).replace("per_day: 1", "per_day: 3, max_open: 3")

    def funds(*symbols: str) -> str:
        return f"rulebot_universe: 1\nabout: Funds.\ncategories: {{funds: [{', '.join(symbols)}], others: [XLF]}}\n"

    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, many=many, funds=funds("SPY", "SPX"))
        changed = writes(folder, many=many, funds=funds("QQQ", "SPX"))
        day = await live(gateway, folder, (at(10, 0), changed), (at(10, 20), stop))
        assert said(day) == ["asked", "applied"]
        assert [change["bot"] for change in reloads(day)[-1].data["changes"]] == ["many"]  # type: ignore[index,union-attr]
        assert [order.legs[0].option.symbol for order in entries(day)] == ["SPY", "SPX", "QQQ"]
        (folder / "specs" / "funds.yaml").write_text(funds("XLF", "XLE"))
        day = await live(gateway, folder, (at(10, 45), stop))
        assert {position.legs[0].option.symbol: position.exit_reason for position in day.positions.values()} == {
            "SPY": "time",
            "SPX": "time",
            "QQQ": "time",
        }
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_a_removed_bot_enters_nothing_and_its_position_is_closed_by_its_text(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(
            folder, one=bot("one"), two=bot("two", start="10:15"), three=bot("three", start="14:00", leave="15:30")
        )
        gone = writes(folder, three=bot("three", start="14:00", leave="15:30"))
        day = await live(gateway, folder, (at(10, 0), gone), (at(10, 45), stop))
        assert [order.bot for order in entries(day)] == ["one"]
        (position,) = day.positions.values()
        assert (position.state, position.exit_reason) == ("closed", "time")
        reported = {
            record.bot: record.data["what"] for record in day.records if record.kind is Kind.RELOAD and record.bot
        }
        assert reported == {"one": "removed", "two": "removed"}
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_an_order_in_flight_is_waited_for(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one", order="mid"))
        shown: list[str] = []

        def at_work(run: Run, now: datetime) -> bool:
            return any(order.purpose is Purpose.ENTRY for order in run.loop.state.orders.by_ref.values())

        def show(run: Run) -> None:
            shown.append(CliRunner().invoke(main, ["status", "--store", str(folder / "s.db")]).output)

        changed = writes(folder, one=bot("one", leave="11:15"))
        day = await live(gateway, folder, (at_work, changed), (at_work, show), (at(10, 45), stop))
        assert said(day) == ["asked", "waits", "applied"]
        (entry,) = entries(day)
        assert f"reload waits for {entry.position}, which is entering" in shown[0]
        filled = next(record.at for record in day.records if record.kind is Kind.FILL)
        assert reloads(day)[-1].at >= filled
        (position,) = day.positions.values()
        assert position.closed_at is not None
        assert position.closed_at < new_york(10, 45)
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


class Silent:
    """A feed whose broker does not answer on listings."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        raise BrokerError("no answer")

    def __getattr__(self, name: str) -> object:
        return getattr(self.feed, name)


def account(most: int) -> str:
    return f"rulebot_account: 1\nabout: Limits of a test.\naccount: DU1234567\nrisk: {{max_open: {most}}}\n"


@pytest.mark.parametrize("what", ["a bot that goes", "a limit"])
def test_while_it_waits_what_it_takes_away_holds_already(tmp_path: Path, what: str) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        one, two = bot("one", leave="15:00"), bot("two", start="10:20", leave="15:00")
        added = bot("three", start="14:00", leave="15:30", symbol="SPY")
        specs_in(folder, one=one, two=two)
        (folder / "account.yaml").write_text(account(5), encoding="utf-8")
        waits: list[str] = []

        def change(run: Run) -> None:
            run.loop.feed = cast(Feed, Silent(run.loop.feed))
            if what == "a limit":
                (folder / "account.yaml").write_text(account(1), encoding="utf-8")
            kept = {"two": two} if what == "a limit" else {}
            specs_in(folder, one=one, three=added, **kept)
            ask(run)

        def answer(run: Run) -> None:
            waits.append(run.loop.state.bots.by_name["two"].status_text)
            run.loop.feed = cast(Silent, run.loop.feed).feed

        day = await live(gateway, folder, (at(10, 0), change), (at(10, 25), answer), (at(10, 35), stop))
        assert waits == ["a reload waits to be taken up"]
        assert said(day) == ["asked", "waits", "applied"]
        assert [order.bot for order in entries(day)] == ["one"]
        alarms = [str(record.data["text"]) for record in day.records if record.kind is Kind.ALARM]
        assert [text.partition(":")[0] for text in alarms] == [
            "a reload has waited five minutes for the broker's answers"
        ]
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_what_the_broker_does_not_have_refuses_all_of_it(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"), two=bot("two", start="10:20"))
        changed = writes(folder, one=bot("one"), bad=bot("bad", symbol="ZZZZ"))
        day = await live(gateway, folder, (at(10, 0), changed), (at(10, 30), stop))
        assert said(day) == ["asked", "refused"]
        assert "bad cannot run: the broker refused the contract of ZZZZ" in str(reloads(day)[-1].data["reason"])
        alarms = [str(record.data["text"]) for record in day.records if record.kind is Kind.ALARM]
        assert [text.partition(":")[0] for text in alarms] == ["a reload is refused, and nothing of it is taken up"]
        assert {order.bot for order in entries(day)} == {"one", "two"}
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_limits_of_the_account_document_are_taken_up(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"), two=bot("two", start="10:15"))
        (folder / "account.yaml").write_text(account(5), encoding="utf-8")

        def tighten(run: Run) -> None:
            (folder / "account.yaml").write_text(account(1), encoding="utf-8")
            ask(run)

        def take_away(run: Run) -> None:
            (folder / "account.yaml").unlink()
            ask(run)

        day = await live(gateway, folder, (at(10, 0), tighten), (at(10, 20), take_away), (at(10, 30), stop))
        assert said(day) == ["asked", "applied", "refused"]
        assert reloads(day)[1].data["limit_changes"] == ["max_open 5 to 1"]
        assert "the account document is gone" in str(reloads(day)[2].data["reason"])
        assert [order.bot for order in entries(day)] == ["one"]
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


# ---------------------------------------------------------------- what is refused


def test_a_problem_in_any_file_changes_nothing_and_is_reported_with_its_place(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one", start="10:15"))
        reported: list[Result] = []

        def spoil(run: Run) -> None:
            specs_in(folder, one=bot("one", start="10:30"), two=bot("two").replace("sell: put", "sell: putt"))
            reported.append(command(folder))
            ask(run)

        def twice(run: Run) -> None:
            specs_in(folder, one=bot("one"))
            deep = folder / "specs" / "deep"
            deep.mkdir()
            (deep / "one.yaml").write_text(bot("one", start="10:30"), encoding="utf-8")
            reported.append(command(folder))
            ask(run)

        def vanish(run: Run) -> None:
            shutil.rmtree(folder / "specs")
            reported.append(command(folder))
            ask(run)

        planned = (at(10, 0), spoil), (at(10, 2), twice), (at(10, 4), vanish), (at(10, 30), stop)
        day = await live(gateway, folder, *planned)
        assert said(day) == ["refused"] * 3
        reasons = [str(record.data["reason"]) for record in reloads(day)]
        assert [result.exit_code for result in reported] == [1, 1, 2]
        place = str(folder / "specs" / "two.yaml") + ":8:"
        assert place in reported[0].output
        assert place in reasons[0]
        for text in (reported[1].output, reasons[1]):
            assert "two documents are the bot 'one'" in text
            assert str(folder / "specs" / "deep" / "one.yaml") in text
            assert str(folder / "specs" / "one.yaml") in text
        assert "all files of this run have been removed" in reported[2].output
        (entry,) = entries(day)
        assert entry.prepared_at is not None
        assert new_york(10, 15) <= entry.prepared_at < new_york(10, 16)
        check(day, folder / "s.db")

    in_loop(body, tmp_path, seed=7)


def test_without_an_engine_the_command_says_so(tmp_path: Path, day_store: Path) -> None:
    result = CliRunner().invoke(main, ["reload", "--store", str(day_store)])
    assert result.exit_code == 3
    assert f"no engine is running on {day_store}" in result.output
    assert "the next start reads the files" in result.output


def test_an_engine_that_is_only_starting_is_not_asked(day_store: Path) -> None:
    journal = SqlJournal(open_store(day_store))
    journal.append([Record(journal.read()[-1].at, Kind.RUN_ENDED, data={"reason": "", "is_clean": True})], durable=True)
    result = CliRunner().invoke(main, ["reload", "--store", str(day_store)])
    journal.close()
    assert result.exit_code == 3
    assert "is only starting" in result.output


def test_a_stop_while_the_gateway_is_waited_for_is_heeded(tmp_path: Path) -> None:
    """One that was left for an engine before it is not."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        desk = load_all_bots([str(specs_in(folder, one=bot("one")))], {}, None)
        options = RunOptions(store=folder / "s.db", logs=None, sessions=1)

        @asynccontextmanager
        async def waited_for(*requests: Request) -> AsyncIterator[World]:
            for request in requests:
                post(folder / "s.db", request)
            async with attached("127.0.0.1", gateway.port, 1, "", lockstep=True) as world:
                yield world

        run = await execute(desk, options, waited_for(Request.STOP), lambda run: None, steps((at(9, 40), stop)))
        assert run.loop.reason == STOPPED
        assert run.loop.at is not None
        assert run.loop.at < new_york(9, 35)
        with hold_store(folder / "s.db"):
            post(folder / "s.db", Request.STOP)
        run = await execute(desk, options, waited_for(), lambda run: None, steps((at(9, 40), stop)))
        assert run.loop.at is not None
        assert run.loop.at >= new_york(9, 40)

    in_loop(body, tmp_path, seed=7)


def test_the_command_shows_what_changes_and_the_engine_does_it(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"), two=bot("two", start="14:00", leave="15:30"))
        reported: list[Result] = []

        def same(run: Run) -> None:
            reported.append(command(folder))
            time.sleep(POLL_SECONDS)

        def changed(run: Run) -> None:
            specs_in(folder, one=bot("one", leave="11:15"), three=bot("three", start="14:30", leave="15:30"))
            reported.append(command(folder))
            time.sleep(POLL_SECONDS)

        day = await live(gateway, folder, (at(10, 0), same), (at(10, 5), changed), (at(10, 10), stop))
        assert said(day) == ["nothing", "asked", "applied"]
        assert [result.exit_code for result in reported] == [0, 0]
        assert "runs already" in reported[0].output
        lines = [line for line in reported[1].output.splitlines() if not line.startswith(" warning:")]
        assert [line.split(",")[0] for line in lines[:3]] == [" one changed", " three added", " two removed"]
        assert lines[3].startswith("asked the engine of ")
        with StoreReader(folder / "s.db") as reader:
            assert set(reader.run().specs) == {"one", "three"}

    in_loop(body, tmp_path, seed=7)


# ---------------------------------------------------------------- the same as a stop and a start


@pytest.mark.long
@pytest.mark.parametrize("what", ["before its window", "with an open position"])
def test_ci_a_reload_trades_as_a_stop_and_a_start_do(tmp_path: Path, what: str) -> None:
    old = bot("one", start="09:45" if what == "with an open position" else "10:10")
    new = {
        "one": bot("one", start="10:20", leave="11:15"),
        "two": bot("two", start="10:40", leave="11:00", order="mid"),
    }

    def traded(day: CheckedDay) -> list[tuple[object, ...]]:
        """Return every order with its prices and fills, and the times of both."""
        orders = [
            (order.bot, order.purpose, order.reason, order.legs, order.prepared_at, order.limit_price, order.status,
             order.average_price)
            for order in day.orders.values()
        ]  # fmt: skip
        fills = [(r.at, r.bot, r.data["price"], r.data["contract"]) for r in day.records if r.kind is Kind.FILL]
        return [*orders, *fills]

    async def reloaded(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=old)
        day = await live(gateway, folder, (at(10, 0), writes(folder, **new)), (at(11, 20), stop))
        assert said(day) == ["asked", "applied"]
        found.append(traded(day))
        check(day, folder / "s.db")

    async def restarted(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=old)
        await live(gateway, folder, (at(10, 0), stop))
        specs_in(folder, **new)
        day = await live(gateway, folder, (at(11, 20), stop))
        found.append(traded(day))
        check(day, folder / "s.db")

    found: list[list[tuple[object, ...]]] = []
    for body in (reloaded, restarted):
        (tmp_path / body.__name__).mkdir()
        in_loop(body, tmp_path / body.__name__, seed=7)
    assert len(found[0]) > 4
    assert found[0] == found[1]


# ---------------------------------------------------------------- as against a real gateway


@pytest.mark.long
def test_ci_without_lockstep_what_a_new_bot_needs_is_asked_for_beside_the_loop(tmp_path: Path) -> None:
    async def body() -> None:
        settings = GatewaySettings(first_day=date(2026, 10, 21), seed=7, speed=60.0, lockstep=False)
        gateway = await start_gateway(settings)
        try:
            await asyncio.wait_for(trade(gateway), 90)
        finally:
            await gateway.stop()

    async def trade(gateway: RunningGateway) -> None:
        specs_in(tmp_path, one=bot("one", leave="15:00"))
        desk = load_all_bots([str(tmp_path / "specs")], {}, None)
        options = RunOptions(store=tmp_path / "s.db", logs=None, sessions=None)
        added = writes(tmp_path, one=bot("one", leave="15:30"), two=bot("two", start="09:31", symbol="SPY"))

        def has_entered(run: Run, now: datetime) -> bool:
            return any(order.bot == "two" for order in run.loop.state.orders.by_ref.values())

        watcher = steps((at(9, 32), added), (has_entered, stop))
        await execute(desk, options, free_running(gateway), lambda run: None, watcher)
        assert gateway.ledger is not None
        day = read_day(tmp_path / "s.db", gateway.ledger.totals(), {})
        assert said(day) == ["asked", "waits", "applied"]
        assert "the broker's answers" in str(reloads(day)[1].data["reason"])
        assert "two" in {order.bot for order in entries(day)}

    asyncio.run(body())


# ---------------------------------------------------------------- real processes


@pytest.mark.long
def test_ci_a_real_engine_takes_up_what_the_command_asks_for(tmp_path: Path) -> None:
    specs = specs_in(tmp_path, one=bot("one", leave="15:00"))
    store = tmp_path / "s.db"
    environment = {**os.environ, "RULEBOT_DATA": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}
    start = [sys.executable, "-m", "rulebot.cli.main"]
    with subprocess.Popen(
        [*start, "run", "--paper", "--sim", "--speed", "600", "--store", str(store), str(specs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as engine:
        try:
            assert engine.stdout is not None
            assert any("filled: sold" in line for line in engine.stdout)
            specs_in(tmp_path, one=bot("one", leave="15:30"), two=bot("two", start="09:31"))
            asked = subprocess.run(
                [*start, "reload", "--store", str(store)], capture_output=True, text=True, env=environment, check=False
            )
            assert asked.returncode == 0, asked.stderr
            assert " two added" in asked.stdout
            lines = []
            for line in engine.stdout:
                lines.append(line)
                if "two  filled: sold" in line:
                    break
            assert any("reloaded: one changed, " in line for line in lines)
        finally:
            engine.kill()
