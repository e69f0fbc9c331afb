"""A small hand-made day: a condor that hits its target, a bot that only watches, a put sold and still open."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Shut
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side, TimeInForce
from rulebot.model.position import Position, PositionLeg
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind, Record

DAY = date(2026, 11, 18)
CONDOR, WATCHER, SELLER = "dte0_condor", "calm_tape_condor", "spy_put_seller"


def at(clock: str, day: date = DAY) -> datetime:
    """Return a New York clock time of a winter day in UTC."""
    hours, minutes, seconds = (int(part) for part in f"{clock}:00".split(":")[:3])
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
        hours=hours + 5, minutes=minutes, seconds=seconds
    )


def entity(kind: Kind, when: datetime, value: Order | Position | BotDay) -> Record:
    """Return the record of a whole value."""
    position = value.position if isinstance(value, Order) else value.id if isinstance(value, Position) else ""
    return Record(when, kind, value.bot, position, cast(dict[str, Json], encode(value)))


def put(strike: int, symbol: str = "SPX", trading_class: str = "SPXW", expiry: date = DAY) -> Option:
    return Option(symbol, trading_class, expiry, Decimal(strike), Right.PUT, con_id=strike)


def call(strike: int) -> Option:
    return Option("SPX", "SPXW", DAY, Decimal(strike), Right.CALL, con_id=strike)


LEGS = (
    ("short_put", put(5930), -1, "0.60", "0.35"),
    ("long_put", put(5920), 1, "0.30", "0.20"),
    ("short_call", call(6065), -1, "0.85", "0.40"),
    ("long_call", call(6075), 1, "0.30", "0.15"),
)


def condor(ref: str, number: int, purpose: Purpose, **changes: Any) -> Order:
    """Return an order of the condor; `closing` turns the legs round."""
    sign = 1 if purpose is Purpose.ENTRY else -1
    legs = tuple(OrderLeg(name, option, Side.BUY if s * sign > 0 else Side.SELL) for name, option, s, _, _ in LEGS)
    return Order(
        ref=ref,
        number=number,
        bot=CONDOR,
        position="P1",
        purpose=purpose,
        legs=legs,
        side=Side.BUY,
        quantity=1,
        kind=OrderType.LIMIT,
        order_id=100 + number,
        **changes,
    )


def position(state: str, entries: bool, exits: bool, **changes: Any) -> Position:
    """Return the condor's position with its legs filled or not."""
    legs = tuple(
        PositionLeg(
            name=name,
            option=option,
            sign=sign,
            ratio=1,
            opened=int(entries),
            closed=int(exits),
            entry_cash=-sign * 100 * Decimal(paid) if entries else Decimal(0),
            exit_cash=sign * 100 * Decimal(left) if exits else Decimal(0),
            commissions=Decimal("1.025") * (entries + exits),
        )
        for name, option, sign, paid, left in LEGS
    )
    return Position(
        id="P1",
        bot=CONDOR,
        digest="d1",
        state=state,
        session=DAY,
        quantity=1,
        legs=legs,
        max_risk=Decimal(915),
        **changes,
    )


def condor_records() -> list[Record]:
    """Return the condor's day: sold at 0.85 (mid 0.90), bought back at 0.40 (mid 0.45)."""
    sold, bought = at("09:52"), at("13:07")
    entry = condor(
        "rb-1", 1, Purpose.ENTRY, reason="entry", limit_price=Decimal("-0.90"), mid=Decimal("-0.90"),
        attempt=1, prepared_at=sold, changed_at=sold,
    )  # fmt: skip
    leave = condor(
        "rb-2", 2, Purpose.EXIT, reason="target", limit_price=Decimal("0.40"), mid=Decimal("0.45"),
        prepared_at=bought, changed_at=bought, status=OrderStatus.SENDING, sent_at=bought,
    )  # fmt: skip
    quotes: list[Json] = [
        {"name": name, "contract": str(option), "bid": paid, "ask": str(Decimal(paid) + Decimal("0.10")), "delta": 0.06}
        for name, option, _, paid, _ in LEGS
    ]
    filled = replace(
        entry,
        status=OrderStatus.FILLED,
        leg_filled=(1, 1, 1, 1),
        average_price=Decimal("-0.85"),
        sent_at=sold,
        perm_id=9,
    )
    opened = position("open", True, False, opened_at=sold, entry_mid=Decimal("0.90"), spot=Decimal("6001.5"))
    closed = replace(
        position("closed", True, True, opened_at=sold, closed_at=bought, entry_mid=Decimal("0.90")),
        spot=Decimal("6001.5"),
        exit_reason="target",
        exit_mid=Decimal("-0.45"),
    )
    return [
        Record(sold, Kind.DECISION, CONDOR, "", {"what": "enter", "reason": "all conditions hold", "values": {}}),
        Record(sold, Kind.SELECTION, CONDOR, "", {"legs": quotes, "rejected": ""}),
        entity(Kind.ORDER, sold, entry),
        entity(Kind.POSITION, sold, position("entering", False, False)),
        entity(Kind.ORDER, sold, replace(entry, status=OrderStatus.SENDING, sent_at=sold)),
        *_fills("rb-1", sold, "entry"),
        entity(Kind.ORDER, sold, filled),
        entity(Kind.POSITION, sold, opened),
        *_commissions("rb-1", sold),
        _mark(CONDOR, "P1", at("10:30"), "0.70", "0.80", "10.00"),
        _mark(CONDOR, "P1", at("13:06"), "0.40", "0.50", "40.00"),
        Record(bought, Kind.DECISION, CONDOR, "P1", {"what": "exit", "reason": "target", "values": {"profit": 0.5}}),
        entity(Kind.ORDER, bought, leave),
        *_fills("rb-2", bought, "exit"),
        entity(
            Kind.ORDER,
            bought,
            replace(leave, status=OrderStatus.FILLED, leg_filled=(1, 1, 1, 1), average_price=Decimal("0.40")),
        ),
        entity(Kind.POSITION, bought, closed),
        *_commissions("rb-2", bought),
        entity(Kind.BOT_DAY, bought, BotDay(bot=CONDOR, date=DAY, entries=1, opened=1, realized=Decimal("36.80"))),
    ]


def _fills(ref: str, when: datetime, purpose: str) -> list[Record]:
    is_entry = purpose == "entry"
    return [
        Record(
            when,
            Kind.FILL,
            CONDOR,
            "P1",
            {
                "exec_id": f"{ref}-{name}",
                "ref": ref,
                "position": "P1",
                "leg": name,
                "con_id": option.con_id,
                "contract": str(option),
                "is_buy": (sign > 0) is is_entry,
                "quantity": "1",
                "price": paid if is_entry else left,
                "executed_at": when.isoformat(),
                "purpose": purpose,
            },
        )
        for name, option, sign, paid, left in LEGS
    ]


def _commissions(ref: str, when: datetime) -> list[Record]:
    return [
        Record(
            when, Kind.COMMISSION, CONDOR, "P1",
            {"exec_id": f"{ref}-{name}", "position": "P1", "leg": name, "amount": "1.025"},
        )
        for name, *_ in LEGS
    ]  # fmt: skip


def _mark(bot: str, id: str, when: datetime, bid: str, ask: str, profit: str) -> Record:
    mid = str((Decimal(bid) + Decimal(ask)) / 2)
    mid, bid, ask = f"-{mid}", f"-{ask}", f"-{bid}"  # held short: worth less than nothing
    data: dict[str, Json] = {"bid": bid, "ask": ask, "mid": mid, "spot": "6004.12", "profit": profit, "iv": 0.125}
    return Record(when, Kind.MARK, bot, id, data | {"delta": 0.02, "gamma": -0.001, "theta": 0.9, "vega": -0.2})


def judged(clock: str, rule: str, truth: bool | None, value: float | None, **more: Json) -> Record:
    """Return a change of verdict of the bot that only watches."""
    data: dict[str, Json] = {"rule": rule, "place": "when", "truth": truth, "value": value, "low": None, "high": None}
    return Record(at(clock), Kind.VERDICT, WATCHER, "", data | {"text": "", "missing": "", "detail": ""} | more)


def watcher_records() -> list[Record]:
    """Return the day of the bot that found one condition false all day, and VIX stale for 190 seconds."""
    over = BotDay(bot=WATCHER, date=DAY, skip=Shut.WINDOW_OVER, skipped="its window is over")
    return [
        judged("10:30", "vix", True, 16.82, low=12, high=22, text="in 12 to 22"),
        judged("10:30", "vix_change", True, -0.41, low=3, text="below 3 pts"),
        judged("10:30", "iv_over_rv", True, 1.04, low=1, text="above 1.0", detail="iv 12.5%, rv 12.0% over 20 days"),
        judged("10:30", "spx_spy_ratio", True, 10.021, low=9.95, high=10.05, text="in 9.95 to 10.05"),
        judged("10:30", "no_event", True, None, detail="next: NFP 2026-12-04"),
        judged("10:30", "day_range", False, 28.4, low=27.7, text="below 0.6 x 46.1 = 27.7"),
        Record(
            at("10:30"), Kind.NEAREST, WATCHER, "",
            {"at": at("10:30").isoformat(), "rule": "day_range", "text": "day_range 28.4, below 27.7"},
        ),
        judged("11:15:22", "vix", None, None, low=12, high=22, text="in 12 to 22", missing="VIX: no price for 42 s"),
        judged("11:18:32", "vix", True, 16.9, low=12, high=22, text="in 12 to 22"),
        Record(
            at("12:00"), Kind.SELECTION, WATCHER, "",
            {
                "legs": [
                    {"name": "short_put", "contract": "SPXW 2026-11-18 5965P", "asked": "1.2 expected moves below spot",
                     "found": "5965", "delta": -0.13, "bid": "1.85", "ask": "2.05"},
                    {"name": "long_put", "contract": "SPXW 2026-11-18 5955P", "asked": "10 points below short_put",
                     "found": "5955", "delta": -0.08, "bid": "1.00", "ask": "1.20"},
                ],
                "rejected": "",
            },
        ),
        judged("13:30", "window", False, None),
        entity(Kind.BOT_DAY, at("13:30"), over),
    ]  # fmt: skip


def seller_records() -> list[Record]:
    """Return the put seller's day: 547 put sold at 5.07, take-profit and stop resting at the broker."""
    when, option = at("09:31"), put(547, "SPY", "SPY", date(2027, 2, 19))
    leg = PositionLeg(
        name="short_put",
        option=option,
        sign=-1,
        ratio=1,
        opened=1,
        entry_cash=Decimal(507),
        commissions=Decimal("1.04"),
    )
    held = Position(
        id="P2", bot=SELLER, digest="d2", state="open", session=DAY, quantity=1, legs=(leg,),
        opened_at=when, entry_mid=Decimal("5.06"), spot=Decimal("599.93"),
    )  # fmt: skip

    def order(number: int, purpose: Purpose, side: Side, **changes: Any) -> Order:
        return Order(
            ref=f"rb-{number}", number=number, bot=SELLER, position="P2", purpose=purpose, reason=purpose.value,
            legs=(OrderLeg("short_put", option, side),), side=side, quantity=1, order_id=100 + number,
            prepared_at=when, sent_at=when, changed_at=when, **changes,
        )  # fmt: skip

    entry = order(
        3, Purpose.ENTRY, Side.SELL, kind=OrderType.LIMIT, limit_price=Decimal("5.07"), adaptive="normal",
        leg_filled=(1,), average_price=Decimal("5.07"), status=OrderStatus.FILLED,
    )  # fmt: skip
    resting = {"status": OrderStatus.WORKING, "time_in_force": TimeInForce.GTC, "oca_group": "rb-P2"}
    target = order(4, Purpose.TARGET, Side.BUY, kind=OrderType.LIMIT, limit_price=Decimal("2.03"), **resting)
    stop = order(5, Purpose.STOP, Side.BUY, kind=OrderType.STOP, stop_price=Decimal("15.21"), **resting)
    return [
        entity(Kind.ORDER, when, entry),
        entity(Kind.POSITION, when, held),
        entity(Kind.ORDER, when, target),
        entity(Kind.ORDER, when, stop),
        _mark(SELLER, "P2", at("15:59"), "4.98", "5.02", "7.00"),
        entity(Kind.BOT_DAY, when, BotDay(bot=SELLER, date=DAY, entries=1, opened=1)),
    ]


def small_day() -> list[Record]:
    """Return the whole day in order of time, as one run."""
    specs: dict[str, Json] = {
        name: {"digest": f"{name}-digest", "path": f"specs/{name}.yaml", "text": ""}
        for name in (CONDOR, WATCHER, SELLER)
    }
    started = Record(
        at("09:25"), Kind.RUN_STARTED, "", "",
        {"version": "0.1", "specs": specs, "settings": {"mode": "paper"}, "account": "DU0000007", "seed": 7,
         "session": DAY.isoformat(), "lockstep": True, "install": "t"},
    )  # fmt: skip
    hours: dict[str, Json] = {
        "open": at("09:30").isoformat(),
        "close": at("16:00").isoformat(),
    }
    alarm = Record(at("15:00"), Kind.ALARM, SELLER, "", {"text": "no quote of SPY 547P for 60 s"})
    happened = [*seller_records(), *condor_records(), *watcher_records(), alarm]
    happened.sort(key=lambda record: record.at)
    return [
        started,
        Record(at("09:30"), Kind.SESSION, "", "", {"date": DAY.isoformat(), **hours, "half": False}),
        *happened,
    ]
