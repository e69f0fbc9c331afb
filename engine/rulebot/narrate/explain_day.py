"""What a store knows of one bot on one day, gathered in one way for `rulebot why` and for the bot's page."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime

from rulebot.model.values import dataclass
from rulebot.narrate.trade_text import asked_at, with_parts
from rulebot.record.doing import Told
from rulebot.record.explain import DayExplanation, TimeSpan, explain_day
from rulebot.record.record import Kind, Record
from rulebot.store.queries import Row, StoreReader


@dataclass(frozen=True, slots=True)
class DayFacts:
    """A bot's story and what stands beside it.

    trades: opened or closed on that day, or of which a part was, with the parts that exits closed. held: others of
    earlier days that were still open when the day was over, with theirs. away: when no engine was connected; blind: why
    market data did not come. on_hold: positions for which nothing is sent, and why. asked: what entries asked for that
    did not fill, by position. alarms: what a person was told of it, and when, each once.
    """

    told: DayExplanation
    trades: Sequence[Row] = ()
    held: Sequence[Row] = ()
    away: Sequence[TimeSpan] = ()
    blind: Sequence[Told] = ()
    on_hold: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    alarms: Sequence[Told] = ()


def why_day(reader: StoreReader, session: date, records: Sequence[Record], trades: Sequence[Row]) -> DayFacts:
    """Return a day of a bot by its records of it (at least one), and its rows of `trades` of all days."""
    told, alarms = explain_day(records), dict[str, datetime]()
    for each in reader.day(records[0].bot, session, (Kind.ALARM,)):
        alarms.setdefault(str(each.data["text"]), each.at)
    of_day: list[Row] = []
    held: list[Row] = []
    for row in trades:
        if _is_of(row, session):
            of_day.append(parts_told(row, reader))
        elif is_held(row, session):
            orders, fills = _dealt(row, reader)
            whole = with_parts(row, orders, fills)
            (of_day if _was_dealt_in(whole, orders, session) else held).append(whole)
    return DayFacts(
        told,
        of_day,
        held,
        reader.outages(session),
        reader.data_troubles(session),
        reader.on_hold(),
        {each: asked_at(reader.view("orders", position=each)) for each in told.tried},
        [(at, text) for text, at in alarms.items()],
    )


def parts_told(trade: Row, reader: StoreReader) -> Row:
    """Return a row of `trades` with the parts of it that were closed before its end."""
    return with_parts(trade, *_dealt(trade, reader))


def _dealt(trade: Row, reader: StoreReader) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the orders and the fills of a trade."""
    of_it = {"position": trade["position"]}
    return reader.view("orders", **of_it), reader.view("fills", **of_it)


def is_held(trade: Row, session: date) -> bool:
    """Say whether a trade was open all that day."""
    return str(trade["entry_time"] or "9")[:10] < str(session) < str(trade["exit_time"] or "9")[:10]


def _is_of(trade: Row, session: date) -> bool:
    """Say whether a trade was opened or closed on that day."""
    return str(session) in (str(trade["entry_time"] or trade["trade_date"])[:10], str(trade["exit_time"] or "")[:10])


def _was_dealt_in(trade: Row, orders: Sequence[Row], session: date) -> bool:
    """Say whether something of a trade was closed on that day, by an exit or by others."""
    times = (*(each["fill_time"] for each in orders), *(part["time"] for part in trade.get("parts", ())))
    return any(str(time or "")[:10] == str(session) for time in times)
