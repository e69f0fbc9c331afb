import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from store_day import CONDOR, SELLER, at, condor_records, entity, put, seller_records, small_day

from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position
from rulebot.record.codec import decode
from rulebot.record.record import Json, Kind, Record
from rulebot.store.export import AGAIN, LineMaker
from rulebot.store.journal import SqlJournal
from rulebot.store.recall import LINES_KEPT
from rulebot.store.registry import open_store

ORDER_FIELDS = {
    "event", "order_id", "action", "expiry", "short_put", "long_put", "short_call", "long_call", "limit_price", "qty",
    "reason", "ts",
}  # fmt: skip


def texts(folder: Path) -> dict[str, list[str]]:
    return {str(file.relative_to(folder)): file.read_text().splitlines() for file in sorted(folder.rglob("*.jsonl"))}


def run(store: Path, logs: Path, records: list[Record]) -> None:
    journal = SqlJournal(open_store(store), logs=logs)
    for record in records:
        journal.append([record], durable=record.kind is Kind.ORDER)
    journal.close()
    assert journal.log_problem is None


def test_orders_and_fills_have_the_asked_fields(tmp_path: Path) -> None:
    run(tmp_path / "a.db", tmp_path / "logs", small_day())
    lines = [json.loads(line) for line in texts(tmp_path / "logs")[f"{CONDOR}/trades.jsonl"]]
    assert [(line["event"], line["order_id"]) for line in lines] == [
        ("ORDER", 101), ("FILL", 101), ("ORDER", 102), ("FILL", 102),
    ]  # fmt: skip
    assert lines[0].keys() == ORDER_FIELDS
    assert lines[1].keys() == {"event", "order_id", "fill_price", "qty", "commission", "ts"}
    assert (lines[0]["action"], lines[0]["short_put"], lines[0]["long_call"]) == ("open", 5930.0, 6075.0)
    assert (lines[2]["action"], lines[2]["short_put"], lines[2]["reason"]) == ("close", 5930.0, "target")
    opened, closed = lines[1], lines[3]
    slippage = closed["fill_price"] - lines[2]["limit_price"]
    profit = (opened["fill_price"] - closed["fill_price"]) * 100 * opened["qty"]
    assert (slippage, round(profit - opened["commission"] - closed["commission"], 2)) == (0.0, 36.80)
    risks = [json.loads(line) for line in texts(tmp_path / "logs")[f"{SELLER}/risk_events.jsonl"]]
    assert risks == [
        {
            "event": "RISK",
            "type": "ALARM",
            "reason": "no quote of SPY 547P for 60 s",
            "ts": "2026-11-18T20:00:00.000000Z",
        }
    ]


def test_what_was_lost_or_broken_is_written_at_the_next_start(tmp_path: Path) -> None:
    run(tmp_path / "a.db", tmp_path / "logs", small_day())
    whole = texts(tmp_path / "logs")
    trades = tmp_path / "logs" / CONDOR / "trades.jsonl"
    content = trades.read_bytes()
    trades.write_bytes(content[: len(content) - 30])
    (tmp_path / "logs" / SELLER / "risk_events.jsonl").unlink()
    run(tmp_path / "a.db", tmp_path / "logs", [])
    assert texts(tmp_path / "logs") == whole
    run(tmp_path / "a.db", tmp_path / "logs", [])
    assert texts(tmp_path / "logs") == whole


def test_a_fill_without_commission_is_reported_when_the_run_ends() -> None:
    records = [record for record in condor_records() if record.kind is not Kind.COMMISSION]
    maker = LineMaker()
    assert [json.loads(line.text)["event"] for line in maker.lines(records)] == ["ORDER", "ORDER"]
    late = list(maker.lines([Record(at("16:15"), Kind.RUN_ENDED)]))
    assert [json.loads(line.text)["commission"] for line in late] == [None, None]


def test_a_correction_stands_for_its_execution_and_has_one_commission() -> None:
    """Both had one, and the line their sum; without a second one it was told at the end of the day, without any."""
    for is_told_again in (False, True):
        maker, found = LineMaker(), list[dict[str, Any]]()
        for record in condor_records():
            is_corrected = record.kind is Kind.FILL or (record.kind is Kind.COMMISSION and is_told_again)
            for revision in ("01", "02") if is_corrected else ("01",):
                data = dict(record.data)
                if record.kind in (Kind.FILL, Kind.COMMISSION):
                    data["exec_id"] = f"0000e0dc.{data['exec_id']}.01.{revision}"
                found += [json.loads(line.text) for line in maker.lines([replace(record, data=data)])]
        assert [line["commission"] for line in found if line["event"] == "FILL"] == [4.10, 4.10]


def test_what_was_taken_up_and_reported_after_all_owes_no_commission() -> None:
    maker, lines = LineMaker(), list[Any]()
    for record in condor_records():
        if record.kind is Kind.FILL:
            guess = f"unseen:{record.data['ref']}:{record.data['leg']}"
            for exec_id, quantity in ((f"{guess}.01", record.data["quantity"]), (f"{guess}.02", 0)):
                lines += maker.lines([replace(record, data={**record.data, "exec_id": exec_id, "quantity": quantity})])
        lines += maker.lines([record])
    found = [json.loads(line.text) for line in lines]
    assert [line.get("commission") for line in found if line["event"] == "FILL"] == [4.10, 4.10]


def test_what_was_over_ten_days_ago_and_is_reported_is_forgotten() -> None:
    """Each order of a run was kept until it ended."""
    when = at("09:52")
    working = Order(
        ref="rb-3", number=3, bot=SELLER, position="P9", purpose=Purpose.TARGET, reason="target",
        legs=(OrderLeg("short_put", put(5930), Side.BUY),), side=Side.BUY, quantity=1, kind=OrderType.LIMIT,
        limit_price=Decimal("0.40"), status=OrderStatus.WORKING, prepared_at=when, sent_at=when, changed_at=when,
    )  # fmt: skip
    maker = LineMaker()
    assert len(list(maker.lines([*condor_records(), entity(Kind.ORDER, when, working)]))) == 5
    for clock, left in (("09:20", 3), ("09:53", 2), ("16:15", 1)):
        assert not list(maker.lines([Record(at(clock) + LINES_KEPT, Kind.SESSION)]))
        assert len(maker._orders) == left
    assert not maker._by_execution
    filled = replace(
        working,
        status=OrderStatus.FILLED,
        leg_filled=(1,),
        average_price=Decimal("0.40"),
        changed_at=at("16:16") + LINES_KEPT,
    )
    late = [entity(Kind.ORDER, filled.changed_at, filled), Record(filled.changed_at, Kind.SESSION)]
    assert [json.loads(line.text)["event"] for line in maker.lines(late)] == ["FILL"]


def test_orders_that_rested_for_weeks_are_reported_once(tmp_path: Path) -> None:
    """A start after they had ended told them once more, as if they were sent when they ended."""
    store, logs = tmp_path / "a.db", tmp_path / "logs"
    run(store, logs, small_day())
    last = {str(record.data.get("ref", record.position)): record for record in seller_records()}
    started, ended = small_day()[0], at("12:00") + 2 * LINES_KEPT
    closed = (
        replace(decode(Order, dict(last["rb-4"].data)), status=OrderStatus.FILLED, leg_filled=(1,)),
        replace(decode(Order, dict(last["rb-5"].data)), status=OrderStatus.CANCELLED),
    )
    position = next(record for record in reversed(seller_records()) if record.kind is Kind.POSITION)
    over = replace(decode(Position, dict(position.data)), state="closed", closed_at=ended)
    run(
        store,
        logs,
        [
            replace(started, at=ended),
            *(entity(Kind.ORDER, ended, replace(order, changed_at=ended)) for order in closed),
            entity(Kind.POSITION, ended, over),
            Record(ended, Kind.RUN_ENDED),
        ],
    )
    reported = texts(logs)
    assert [json.loads(line)["event"] for line in reported[f"{SELLER}/trades.jsonl"]] == ["ORDER"] * 3 + ["FILL"] * 2
    run(store, logs, [])
    assert texts(logs) == reported


def test_a_fill_whose_commission_came_after_its_day_is_reported_once(tmp_path: Path) -> None:
    """Weeks later a start told it once more, with the commission."""
    store, logs = tmp_path / "a.db", tmp_path / "logs"
    entry = next(record for record in seller_records() if record.data.get("ref") == "rb-3")
    fill = {**condor_records()[5].data, "exec_id": "e3", "ref": "rb-3", "position": "P2", "leg": "short_put"}
    run(store, logs, [*small_day(), Record(entry.at, Kind.FILL, SELLER, "P2", fill), Record(entry.at, Kind.RUN_ENDED)])
    paid: dict[str, Json] = {"exec_id": "e3", "position": "P2", "leg": "short_put", "amount": "1.04"}
    run(store, logs, [Record(at("17:00"), Kind.COMMISSION, SELLER, "P2", paid)])
    reported = texts(logs)
    run(store, logs, [replace(small_day()[0], at=at("09:25") + 2 * LINES_KEPT)])
    run(store, logs, [])
    assert texts(logs) == reported


def test_lines_of_a_long_run_that_could_not_be_written_are_added(tmp_path: Path) -> None:
    store, logs = tmp_path / "a.db", tmp_path / "logs"
    run(store, logs, small_day())
    reported = texts(logs)
    for file in reported:
        (logs / file).unlink()
    run(store, tmp_path / "others", [Record(at("12:00") + 2 * LINES_KEPT, Kind.SESSION)])
    run(store, logs, [])
    found = texts(logs)
    assert [set(lines) - set(found[file]) for file, lines in reported.items()] == [set()] * len(reported)


def test_prices_of_one_leg_alone_are_those_of_the_structure() -> None:
    """Two puts for each structure, sold at 1.05 each and bought at 0.40: 2.10 and 0.80, and a profit of 130.00."""
    when, found = at("09:52"), list[dict[str, Any]]()
    for number, purpose, side, price in ((1, Purpose.ENTRY, Side.SELL, "1.05"), (2, Purpose.EXIT, Side.BUY, "0.40")):
        legs = (OrderLeg("short_put", put(5930), side, ratio=2),)
        order = Order(
            ref=f"rb-{number}", number=number, bot=SELLER, position="P9", purpose=purpose, reason="", legs=legs,
            side=side, quantity=1, kind=OrderType.LIMIT, limit_price=Decimal(price), average_price=Decimal(price),
            leg_filled=(2,), status=OrderStatus.FILLED, prepared_at=when, sent_at=when, changed_at=when,
        )  # fmt: skip
        maker = LineMaker()
        lines = [*maker.lines([entity(Kind.ORDER, when, order)]), *maker.lines([Record(when, Kind.RUN_ENDED)])]
        found += [json.loads(line.text) for line in lines]
    assert [line["limit_price"] for line in found[::2]] == [2.10, 0.80]
    opened, closed = found[1], found[3]
    assert round((opened["fill_price"] - closed["fill_price"]) * 100 * opened["qty"], 2) == 130.00


def test_logs_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / SELLER).write_text("a file where a folder should be")
    journal = SqlJournal(open_store(tmp_path / "a.db"), logs=tmp_path / "logs")
    journal.append(small_day(), durable=True)
    assert journal.log_problem is not None
    assert len(journal.read()) == len(small_day())
    journal.close()


def test_logs_that_could_not_be_written_for_a_while_have_all_lines_afterwards(tmp_path: Path) -> None:
    """A disk was full for a minute: nothing came into the files any more, for weeks, and nobody was told."""
    run(tmp_path / "a.db", tmp_path / "whole", small_day())
    whole = texts(tmp_path / "whole")
    (tmp_path / "logs").mkdir()
    in_the_way = tmp_path / "logs" / CONDOR
    in_the_way.write_text("a file where a folder should be")
    journal = SqlJournal(open_store(tmp_path / "b.db"), logs=tmp_path / "logs")
    *first, last = small_day()
    journal.append(first, durable=True)
    assert journal.log_problem is not None
    in_the_way.unlink()
    in_the_way.mkdir()
    incomplete = whole[f"{CONDOR}/trades.jsonl"][0]
    (in_the_way / "trades.jsonl").write_text(f"{incomplete}\n{incomplete[:20]}")
    journal.append([replace(last, at=last.at + AGAIN)], durable=True)
    assert journal.log_problem is None
    assert texts(tmp_path / "logs") == whole
    journal.close()


# ---------------------------------------------------------------- read by a stranger


class Stranger:
    """Reads `trades.jsonl` by row D7 alone: slippage and true profit are derived, each FILL by the ORDER above it."""

    def __init__(self, lines: list[str]) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.slippage: list[Decimal] = []
        self.profit = Decimal(0)
        for line in map(json.loads, lines):
            if line["event"] == "ORDER":
                self.orders[line["order_id"]] = line
                continue
            order, price = self.orders[line["order_id"]], Decimal(str(line["fill_price"]))
            limit = Decimal(str(order["limit_price"]))
            self.slippage.append(price - limit if order["action"] == "close" else limit - price)
            sign = 1 if order["action"] == "open" else -1
            self.profit += sign * price * 100 * Decimal(str(line["qty"])) - Decimal(str(line["commission"]))
            assert line["qty"] <= order["qty"]


def repriced(
    number: int, purpose: Purpose, steps: list[tuple[str, int, str | None, bool]], first: int = 0
) -> list[Record]:
    """Return the records of an order of puts. A step: its limit, filled so far, their average, whether it is over."""
    found: list[Record] = []
    is_entry = purpose is Purpose.ENTRY
    side = Side.SELL if is_entry else Side.BUY
    before = 0
    for step, (limit, filled, average, is_over) in enumerate(steps):
        when = at(f"10:{10 * number + step:02d}")
        if filled > before:
            fill: dict[str, Json] = {
                "exec_id": f"e{number}.{step}.01",
                "ref": f"rb-{number}",
                "quantity": filled - before,
            }
            found.append(Record(when, Kind.FILL, SELLER, "P9", fill))
            before = filled
        order = Order(
            ref=f"rb-{number}", number=number, bot=SELLER, position="P9", purpose=purpose, reason="", order_id=number,
            legs=(OrderLeg("short_put", put(5930), side),), side=side, quantity=5, kind=OrderType.LIMIT,
            limit_price=Decimal(limit), average_price=None if average is None else Decimal(average),
            leg_filled=(filled,), status=OrderStatus.FILLED if is_over else OrderStatus.WORKING, prepared_at=when,
            sent_at=when, changed_at=when,
        )  # fmt: skip
        found.append(entity(Kind.ORDER, when, order))
    return found


def paid(exec_id: str, amount: str, clock: str = "10:59") -> Record:
    return Record(at(clock), Kind.COMMISSION, SELLER, "P9", {"exec_id": exec_id, "amount": amount})


def test_a_part_that_filled_before_another_price_is_distinguished() -> None:
    """Of five, two were sold at 1.05, the rest at 1.00 after its price went down; one line said 1.02 under 1.00."""
    sold = repriced(
        1, Purpose.ENTRY, [("1.05", 0, None, False), ("1.05", 2, "1.05", False), ("1.00", 2, "1.05", False),
                           ("1.00", 5, "1.02", True)],
    )  # fmt: skip
    bought = repriced(2, Purpose.EXIT, [("0.40", 0, None, False), ("0.40", 5, "0.38", True)])
    maker = LineMaker()
    lines = [*maker.lines([*sold, *bought])]
    lines += maker.lines([paid("e1.1.01", "2.10"), paid("e1.3.01", "3.15"), paid("e2.1.01", "5.25")])
    reported = [json.loads(line.text) for line in lines]
    own = [(line["event"], line["qty"], line.get("fill_price", line.get("limit_price"))) for line in reported]
    assert own == [
        ("ORDER", 5, 1.05), ("ORDER", 5, 0.40), ("FILL", 2, 1.05), ("ORDER", 3, 1.00), ("FILL", 3, 1.00),
        ("FILL", 5, 0.38),
    ]  # fmt: skip
    found = Stranger([line.text for line in lines])
    assert found.slippage == [0, 0, Decimal("-0.02")]
    assert found.profit == Decimal("1.02") * 500 - Decimal("0.38") * 500 - Decimal("10.50")


def test_what_ends_in_shares_has_its_profit_in_the_lines() -> None:
    sold = repriced(1, Purpose.ENTRY, [("1.05", 0, None, False), ("1.05", 5, "1.05", True)])
    data: dict[str, Json] = {
        "leg": "short_put", "quantity": 5, "price": "0", "level": "5920", "how": "assigned",
        "shares_profit": "-5000.00", "sign": -1, "multiplier": 100, "expiry": "2026-11-18", "strike": "5930",
        "right": "put",
    }  # fmt: skip
    ended = Record(at("16:05"), Kind.SETTLEMENT, SELLER, "P9", data)
    lines = [*LineMaker().lines([*sold, paid("e1.1.01", "5.25"), ended])]
    order, fill = (json.loads(line.text) for line in lines[-2:])
    assert (order["action"], order["short_put"], order["reason"], fill["fill_price"]) == (
        "close",
        5930.0,
        "assigned",
        10.0,
    )
    assert order["order_id"] == fill["order_id"] < 0
    assert Stranger([line.text for line in lines]).profit == Decimal("1.05") * 500 - 5000 - Decimal("5.25")
    unknown = replace(ended, data={**data, "shares_profit": None, "level": None})
    later = replace(ended, data={**data, "quantity": 0, "contracts": 5}, at=at("17:00"))
    lines = [*LineMaker().lines([*sold, paid("e1.1.01", "5.25"), unknown, later])]
    assert Stranger([line.text for line in lines]).profit == Decimal("1.05") * 500 - 5000 - Decimal("5.25")
