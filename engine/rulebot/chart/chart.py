"""A chart read from a store: of a bot's session, or of one trade from its first fill to its end."""

import json
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.fill.exit_level import level_net
from rulebot.model.errors import RulebotError
from rulebot.model.money import ZERO, signed_dollars
from rulebot.model.order import Purpose
from rulebot.model.position import Position, end_of_row
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time, exchange_date, is_session, session_from
from rulebot.model.text import price, printable
from rulebot.model.values import dataclass, replace
from rulebot.narrate.trades import closing_text, left_at, structure_of, unwound_text
from rulebot.narrate.why import reported_parts
from rulebot.record.codec import decode
from rulebot.record.explain import explain_day
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import spec_texts
from rulebot.store.queries import Row, StoreReader

# --- What a chart shows

Point = tuple[datetime, float]


class MarkKind(Enum):
    """What a mark says was decided."""

    ENTRY = "entry"
    EXIT = "exit"
    REFUSED = "refused"
    UNFILLED = "not filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One decision. words: all of it; price: of the underlying then, None while unknown.

    trade: its number in the store, None without one; gain: dollars of an exit after commissions.
    """

    at: datetime
    kind: MarkKind
    symbol: str
    words: str
    price: float | None = None
    trade: int | None = None
    gain: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSpan:
    """One position. points: what one structure cost to close, per share (what it would have brought, if `is_debit`).

    entry, exit: in the same terms; exit, exit_at: None while it is held beyond the chart. levels: of its exits that
    have a price; strikes: (symbol, strike, sold).
    """

    trade: int
    structure: str
    is_debit: bool
    entry: float | None
    entry_at: datetime | None
    exit: float | None
    exit_at: datetime | None
    points: tuple[Point, ...]
    levels: tuple[tuple[str, float], ...]
    strikes: tuple[tuple[str, float, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One bot over some sessions. lines: by symbol, oldest first; marks in order of time."""

    bot: str
    first: date
    last: date
    lines: tuple[tuple[str, tuple[Point, ...]], ...]
    marks: tuple[Mark, ...]
    held: tuple[HeldSpan, ...]

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to draw."""
        return not self.marks and not any(points for _, points in self.lines)


# --- A chart read from a store

BEFORE, AFTER = timedelta(minutes=10), timedelta(minutes=1)
"""How far before a decision, and after it, a price may lie to be that of the decision."""
MOST_POINTS = 800
"""Points of a line at most; more say nothing on a drawing."""
MOST_NUMBER = 2**63 - 1
"""What a database can number: it cannot even be asked for more."""


def chart_of_day(reader: StoreReader, bot: str, session: date) -> Chart:
    """Return what a bot decided in one session, nothing for a day that is none. Raises: StoreError."""
    if not is_session(session):
        return Chart(bot=bot, first=session, last=session, lines=(), marks=(), held=())
    trades = [row for row in reader.view("trades", strategy_id=bot) if _is_within(row, session, session)]
    return _chart(reader, bot, session, session, trades)


def chart_of_trade(reader: StoreReader, number: int) -> Chart | None:
    """Return one trade, from the session of its entry to that of its end, or to now; None without such a trade."""
    rows = reader.view("trades", id=number) if number <= MOST_NUMBER else ()
    if not rows:
        return None
    first = date.fromisoformat(_first_day(rows[0]))
    end = rows[0]["exit_time"]
    last = date.fromisoformat(str(end)[:10]) if end else max(first, reader.last_day() or first)
    return _chart(reader, str(rows[0]["strategy_id"]), first, last, rows, is_one=True)


def _chart(
    reader: StoreReader, bot: str, first: date, last: date, trades: Sequence[Row], *, is_one: bool = False
) -> Chart:
    ends = {row["id"]: _time(left_at(row, reader.view("orders", position=row["position"]))) for row in trades}
    held = [_held(reader, row, first, last, ends[row["id"]]) for row in trades if row["entry_time"]]
    lines = _lines(reader, bot, first, last, trades)
    known = dict(lines)
    marks = [mark for row in trades for mark in _marks(row, first, last, ends[row["id"]], _parts(reader, row))]
    if not is_one:
        marks += _refusals(reader, bot, first, tuple(known))
    placed = [_placed(mark, known.get(mark.symbol, ())) for mark in sorted(marks, key=lambda mark: mark.at)]
    thin = tuple((symbol, _thinned(points)) for symbol, points in lines)
    return Chart(bot=bot, first=first, last=last, lines=thin, marks=tuple(placed), held=tuple(held))


def _is_within(row: Row, first: date, last: date) -> bool:
    """Say whether a trade was open at some time of these sessions."""
    end = row["exit_time"]
    return _first_day(row) <= last.isoformat() and (not end or str(end)[:10] >= first.isoformat())


def _first_day(row: Row) -> str:
    return str(row["entry_time"] or row["trade_date"])[:10]


def _time(text: object) -> datetime | None:
    """Return the instant of New York's `2026-10-21 09:45:00`, None without one."""
    if not text:
        return None
    moment = datetime.fromisoformat(str(text))
    return at_exchange_time(moment.date(), moment.time())


# ---------------------------------------------------------------- what was decided


def _parts(reader: StoreReader, row: Row) -> list[tuple[datetime, str]]:
    """Return when exits closed a part of a trade that went on, and at which price."""
    parts = reported_parts(row, reader).get("parts", ())
    reported = ((_time(each["time"]), f"{each['exit']}: {_part_words(each, row)}") for each in parts)
    return [(at, words) for at, words in reported if at is not None]


def _part_words(part: Mapping[str, Any], row: Row) -> str:
    if "rolled" in part:
        return f"{' and '.join(part['rolled'])} rolled"
    if "unwound" in part:
        return unwound_text(part["unwound"], part["quantity"], part["price"])
    is_of_others = "contract" in part
    return f"a part at {price(part['price']) if is_of_others else _closed_at(part['price'], row)}"


def _closed_at(cost: float | None, row: Row) -> str:
    """Return a price at which a trade or a part of it was closed; in words where that went the other way."""
    return price(None) if cost is None else closing_text(cost, row["entry_price"] or 0.0)


def _marks(
    row: Row, first: date, last: date, closed: datetime | None, parts: Sequence[tuple[datetime, str]]
) -> Iterable[Mark]:
    symbol = _first_symbol(row)
    opened = _time(row["entry_time"])
    if opened is not None and first <= exchange_date(opened) <= last:
        words = _entry_words(structure_of(row), row["entry_price"])
        yield Mark(at=opened, kind=MarkKind.ENTRY, symbol=symbol, words=words, trade=row["id"])
    yield from (
        Mark(at=at, kind=MarkKind.EXIT, symbol=symbol, words=words, trade=row["id"])
        for at, words in parts
        if first <= exchange_date(at) <= last
    )
    if closed is not None and first <= exchange_date(closed) <= last:
        gain = row["final_pnl"]
        in_all = " in all" if parts else ""
        at = "" if row["exit_price"] is None else f"{in_all} at {_closed_at(row['exit_price'], row)}"
        words = f"{end_of_row(row)}{at}, {signed_dollars(gain)}"
        yield Mark(at=closed, kind=MarkKind.EXIT, symbol=symbol, words=words, trade=row["id"], gain=gain)


def _entry_words(structure: str, entry: float | None) -> str:
    """Return `sold 5935/5945p at 0.70`; there is no price of the whole where a leg never filled."""
    if entry is None:
        return f"part of {structure}"
    return f"{'bought' if entry < 0 else 'sold'} {structure} at {price(entry)}"


def _refusals(reader: StoreReader, bot: str, session: date, drawn: Sequence[str]) -> list[Mark]:
    """Return what was refused and what was not filled, each with its symbol, "" for one that has no line."""
    records = reader.day(bot, session)
    if not records:
        return []
    reported = explain_day(records)
    members = {str(record.data["symbol"]) for record in records if record.data.get("symbol")}
    entered = {record.position: str(record.data.get("symbol") or "") for record in records if _does(record, "enter")}
    ended = {record.at: entered.get(record.position, "") for record in records if _does(record, "unfilled")}

    def mark(at: datetime, kind: MarkKind, words: str, symbol: str) -> Mark:
        symbol = symbol if members else next(iter(drawn), "")
        return Mark(at=at, kind=kind, symbol=symbol if symbol in drawn else "", words=words)

    refused = [mark(at, MarkKind.REFUSED, text, _named_in(text, members)) for at, text in reported.refused if text]
    return refused + [mark(at, MarkKind.UNFILLED, text, ended.get(at, "")) for at, text in reported.unfilled]


def _does(record: Record, what: str) -> bool:
    return record.kind is Kind.DECISION and record.data.get("what") == what


def _named_in(text: str, members: Collection[str]) -> str:
    """Return the symbol of a universe that a refusal names, "" for one of the bot as a whole."""
    words = (word.rstrip(":") for word in text.split())
    return next((word for word in words if word in members), "")


def _placed(mark: Mark, points: Sequence[Point]) -> Mark:
    """Return a mark with the price of its underlying, the last before it or else the next, where one is near."""
    after = bisect_right(points, mark.at, key=lambda point: point[0])
    around = [points[at] for at in (after - 1, after) if 0 <= at < len(points)]
    near = [point for point in around if mark.at - BEFORE <= point[0] <= mark.at + AFTER]
    if not near:
        return mark
    return Mark(
        at=mark.at, kind=mark.kind, symbol=mark.symbol, words=mark.words, price=near[0][1], trade=mark.trade,
        gain=mark.gain,
    )  # fmt: skip


# ---------------------------------------------------------------- prices of underlyings


def _lines(
    reader: StoreReader, bot: str, first: date, last: date, trades: Sequence[Row]
) -> list[tuple[str, tuple[Point, ...]]]:
    """Return the prices of what the bot trades: those kept by the minute, else those recorded with its positions."""
    symbols = _symbols(reader, bot, trades)
    begin, end = session_from(first).open, session_from(last).close + timedelta(minutes=1)
    found = _by_minute(reader, symbols, begin, end) if first == last else {symbol: {} for symbol in symbols}
    kept = frozenset(symbol for symbol, points in found.items() if points)
    for row in trades:
        symbol = _first_symbol(row)
        if symbol in kept or symbol not in found:
            continue
        for at, level in _beside(reader, row):
            if begin <= at <= end:
                found[symbol].setdefault(at, level)
    return [(symbol, tuple(sorted(points.items()))) for symbol, points in found.items()]


def _by_minute(
    reader: StoreReader, symbols: Sequence[str], begin: datetime, end: datetime
) -> dict[str, dict[datetime, float]]:
    """Return the prices kept by the minute of each symbol, without symbols that have none."""
    found: dict[str, dict[datetime, float]] = {symbol: {} for symbol in symbols}
    for record in reader.between(Kind.PRICES, begin, end):
        reported: Any = record.data["prices"]
        for symbol in symbols:
            if symbol in reported:
                found[symbol][record.at] = float(reported[symbol])
    return found


def _beside(reader: StoreReader, row: Row) -> Iterable[Point]:
    """Yield the recorded prices of a trade's first underlying: while it was open, and at its entry."""
    for each in reader.view("position_snapshots", position=row["position"]):
        at = _time(each["snapshot_time"])
        if at is not None and each["underlying_price"] is not None:
            yield at, float(each["underlying_price"])
    opened, record = _time(row["entry_time"]), reader.last_record(Kind.POSITION, str(row["position"]))
    spot = None if record is None else record[1].data.get("spot")
    if opened is not None and spot is not None:
        yield opened, float(str(spot))


def _first_symbol(row: Row) -> str:
    return str(row["symbol"]).partition("/")[0]


def _symbols(reader: StoreReader, bot: str, trades: Sequence[Row]) -> list[str]:
    """Return the underlyings of the bot; of one with a universe those of its trades."""
    traded = [symbol for row in trades for symbol in str(row["symbol"]).split("/")]
    text = reader.run().specs.get(bot)
    compiled = None if text is None else _compiled(spec_texts({bot: text})[0])
    own = () if compiled is None or compiled.members else compiled.plan.underlyings
    return list(dict.fromkeys((*own, *traded)))


def _compiled(text: SpecText) -> CompiledBot | None:
    try:
        return compile_text(text)
    except RulebotError:
        return None


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    step = max(1, -(-len(points) // MOST_POINTS))
    kept = list(points[::step])
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return tuple(kept)


# ---------------------------------------------------------------- what positions cost to close


def _held(reader: StoreReader, row: Row, first: date, last: date, left: datetime | None) -> HeldSpan:
    entry = None if row["entry_price"] is None else float(row["entry_price"])
    is_debit = entry is not None and entry < 0
    sign = -1.0 if is_debit else 1.0
    is_over = left is not None and exchange_date(left) <= last
    end = session_from(last).close + timedelta(minutes=10)
    points = _costs(reader, row, session_from(first).open, end if left is None else min(end, left), sign)
    return HeldSpan(
        trade=row["id"],
        structure=structure_of(row),
        is_debit=is_debit,
        entry=None if entry is None else sign * entry,
        entry_at=_time(row["entry_time"]),
        exit=sign * float(row["exit_price"]) if is_over and row["exit_price"] is not None else None,
        exit_at=left if is_over else None,
        points=_thinned(points),
        levels=tuple((name, sign * level) for name, level in _levels(reader, row)),
        strikes=_strikes(row),
    )


def _costs(reader: StoreReader, row: Row, begin: datetime, end: datetime, sign: float) -> list[Point]:
    """Return what a position cost to close between two instants."""
    points = []
    for each in reader.view("position_snapshots", position=row["position"]):
        at = _time(each["snapshot_time"])
        if at is not None and begin <= at <= end and each["current_mid"] is not None:
            points.append((at, sign * float(each["current_mid"])))
    return points


def _strikes(row: Row) -> tuple[tuple[str, float, bool], ...]:
    legs = json.loads(row["legs"])
    return tuple((leg["symbol"], float(leg["strike"]), leg["sign"] < 0) for leg in legs if leg["strike"] is not None)


def _levels(reader: StoreReader, row: Row) -> list[tuple[str, float]]:
    """Return the cost of closing at each exit with a price; none for a spec that this version cannot read."""
    record = reader.last_record(Kind.POSITION, str(row["position"]))
    if record is None:
        return []
    position = decode(Position, dict(record[1].data))
    bot = _governing(reader, position)
    if bot is None:
        return []
    if position.is_flat or position.waits_for_expiry:
        position = _as_entered(reader, position)
    found: dict[str, Decimal] = {}
    for planned in bot.plan.exits:
        net = level_net(position, planned)
        if net is not None:
            found.setdefault(planned.name, -net)
    return [(name, float(level)) for name, level in found.items()]


def _as_entered(reader: StoreReader, position: Position) -> Position:
    """Return a position that was left as its exits knew it: all of it held, with the commissions of its entry alone."""
    paid: dict[str, Decimal] = {}
    for fill in reader.view("fills", position=position.id):
        if fill["purpose"] == Purpose.ENTRY.value:
            paid[fill["leg"]] = paid.get(fill["leg"], ZERO) + Decimal(str(fill["commission"] or 0))
    legs = (
        replace(leg, closed=0, settled=0, exit_cash=ZERO, commissions=paid.get(leg.name, ZERO)) for leg in position.legs
    )
    return replace(position, legs=tuple(legs))


def _governing(reader: StoreReader, position: Position) -> CompiledBot | None:
    for text in _texts(reader):
        if text.name == position.bot and text.digest == position.digest and (bot := _compiled(text)) is not None:
            with suppress(KeyError):
                return bot.of(position)
    return None


def _texts(reader: StoreReader) -> Iterable[SpecText]:
    """Yield the texts of the last run, then those of earlier ones, the newest first."""
    yield from spec_texts(dict(reader.run().specs))
    for record in reversed(reader.records((Kind.RUN_STARTED, Kind.RELOAD))):
        if (specs := record.data.get("specs")) is not None:
            yield from spec_texts(specs)


# --- A chart as a script for TradingView (Pine v6)

LONGEST = 300
"""Letters of a label's tooltip at most."""
SHORT = 60
MOST_LABELS = 450
"""Pine allows 500 labels; some are reserved."""
_STYLES = {
    MarkKind.ENTRY: ("label.style_label_up", "yloc.belowbar", "color.teal"),
    MarkKind.EXIT: ("label.style_label_down", "yloc.abovebar", "color.blue"),
    MarkKind.REFUSED: ("label.style_xcross", "yloc.abovebar", "color.orange"),
    MarkKind.UNFILLED: ("label.style_circle", "yloc.abovebar", "color.orange"),
}
_LOST = "color.red"


def pine_script(chart: Chart, symbol: str = "") -> str:
    """Return the script for the chart of one symbol, the first that the bot trades unless another is named."""
    symbol = symbol or next((name for name, _ in chart.lines), "") or (chart.marks[0].symbol if chart.marks else "")
    marks = [mark for mark in chart.marks if mark.symbol in ("", symbol)][-MOST_LABELS:]
    days = f"{chart.first}" if chart.first == chart.last else f"{chart.first} to {chart.last}"
    title = _quoted(f"rulebot {chart.bot} {days}")
    lines = [
        "//@version=6",
        f"// Decisions of {_plain(chart.bot)}, {days}, as they were recorded. Put it on the chart of {_plain(symbol)}.",
        f"indicator({title}, overlay = true, max_labels_count = 500, max_lines_count = 500)",
        "",
        f"string wanted = {_quoted(symbol)}",
        "bool fits = syminfo.ticker == wanted or syminfo.root == wanted",
        "",
        "mark(int at, float y, string words, string more, string form, string place, color paint) =>",
        "    label.new(at, y, words, xloc = xloc.bar_time, yloc = place, style = form, color = paint, "
        "textcolor = color.white, size = size.small, tooltip = more)",
        "",
        "level(int begin, int end, float at, string words, color paint) =>",
        "    line.new(begin, at, end, at, xloc = xloc.bar_time, color = paint, style = line.style_dashed)",
        "    label.new(end, at, words, xloc = xloc.bar_time, style = label.style_none, textcolor = paint, "
        "size = size.small)",
        "",
        "if barstate.islastconfirmedhistory and fits",
        *(f"    {line}" for line in _drawn(chart, symbol, marks) or ["int nothing = 0"]),  # a block must have a line
        "",
        "if barstate.islast and not fits",
        "    var table told = table.new(position.top_right, 1, 1)",
        f"    table.cell(told, 0, 0, {_quoted(f'these marks are of {symbol}')}, text_color = color.red)",
    ]
    return "\n".join(lines) + "\n"


def _drawn(chart: Chart, symbol: str, marks: list[Mark]) -> list[str]:
    return [*map(_mark, marks), *(line for held in chart.held for line in _pine_levels(chart, held, symbol))]


def _mark(mark: Mark) -> str:
    form, place, paint = _STYLES[mark.kind]
    if mark.kind is MarkKind.EXIT and mark.gain is not None and mark.gain < 0:
        paint = _LOST
    words = "" if mark.kind in (MarkKind.REFUSED, MarkKind.UNFILLED) else _cut(mark.words, SHORT)
    more = _cut(f"{mark.kind.value}: {mark.words}", LONGEST)
    y = "na" if mark.price is None else f"{mark.price:.2f}"
    place = place if mark.price is None else "yloc.price"
    return f"mark({_pine_time(mark.at)}, {y}, {_quoted(words)}, {_quoted(more)}, {form}, {place}, {paint})"


def _pine_levels(chart: Chart, held: HeldSpan, symbol: str) -> Iterator[str]:
    """Yield its strikes on this symbol, from its entry to its end."""
    begin = held.entry_at or session_from(chart.first).open
    end = held.exit_at or session_from(chart.last).close
    for of, strike, is_sold in held.strikes:
        if of == symbol:
            paint, side = ("color.orange", "short") if is_sold else ("color.gray", "long")
            yield f"level({_pine_time(begin)}, {_pine_time(end)}, {strike:g}, {_quoted(f'{side} {strike:g}')}, {paint})"


def _pine_time(at: datetime) -> str:
    """Return an instant as Pine writes one, by the exchange's clock."""
    local = at.astimezone(EXCHANGE_ZONE)
    parts = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    return f'timestamp("America/New_York", {", ".join(map(str, parts))})'


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 3]}..."


def _plain(words: str) -> str:
    """Return words that are valid in a comment: one line, no control characters."""
    return printable(words, instead=" ")


def _quoted(words: str) -> str:
    """Return a string literal of Pine."""
    text = _plain(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
