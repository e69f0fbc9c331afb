"""The tables of `rulebot top`: bots and open positions, each line with what it lets a person choose; orders, alarms."""

from collections.abc import Sequence

from rich.text import Text

from rulebot.cli.glance_text import cut, fitted
from rulebot.cli.top_keys import Row
from rulebot.model.money import dollars
from rulebot.narrate.text_table import aligned, signed
from rulebot.web.greek_totals import GREEKS
from rulebot.web.picture import AlarmLine, BotLine, OrderLine, PageSnapshot, PositionLine

WIDE = 105
"""Columns from which a position has its bot and its exits beside it, and a bot what it waits for."""
_ALARMS = 5
_GAP = "  "
_STYLES = {
    "watching": "cyan",
    "entering": "yellow",
    "open": "bold",
    "exiting": "magenta",
    "halted": "red",
    "paused": "yellow",
}
_PLACES = {"gamma": 2}
_BOT, _NARROW_BOT, _POSITION = 24, 18, 22
"""Columns that a bot's name may take, also of a narrow screen, and the least of a position."""
_LEAST = (8, 5, 9)
"""The least columns of state, since and today."""
_DATE = 6
"""What a narrow screen shows of `Oct 20 09:32`."""

Table = tuple[Text, list[tuple[Row | None, Text]]]
"""A heading, and lines with what they let choose."""


def bot_table(picture: PageSnapshot, width: int) -> Table:
    """Return a line a bot: state, since when, today's profit, its position, and what it waits for without one."""
    is_wide = width >= WIDE
    heads = ("bot", "state", "since", "today", "position" if is_wide else "position, or waits for")
    cells = [_bot_cells(each, is_wide) for each in picture.bots]
    sizes = [max(len(row[at]) for row in (heads, *cells)) for at in range(len(heads))]
    sizes[0] = min(sizes[0], _BOT if is_wide else _NARROW_BOT)
    sizes[1:4] = (max(size, least) for size, least in zip(sizes[1:4], _LEAST, strict=True))
    sizes[4] = min(max(sizes[4], _POSITION), width // 4) if is_wide else 0

    def line(row: Sequence[str], waits: str, doing: str = "", profit: float | None = None) -> Text:
        found = Text(f" {fitted(row[0], sizes[0])}{_GAP}").append(row[1].ljust(sizes[1]), style=_STYLES.get(doing, ""))
        found.append(f"{_GAP}{row[2].ljust(sizes[2])}{_GAP}").append(row[3].rjust(sizes[3]), style=_colour(profit))
        position = fitted(row[4], sizes[4]) + _GAP if is_wide else row[4]
        return cut(found.append(_GAP + position).append(waits if is_wide or not position else "", style="dim"), width)

    heading = line(heads, "waits for")
    heading.stylize("dim")
    rows = zip(picture.bots, cells, strict=True)
    return heading, [(Row(each.bot), line(row, each.waits, each.doing, each.profit)) for each, row in rows]


def _bot_cells(bot: BotLine, is_wide: bool) -> tuple[str, ...]:
    state = f"{bot.doing}, paused" if bot.is_paused and bot.doing != "paused" else bot.doing
    since = bot.since if is_wide else bot.since[:_DATE]
    return bot.bot, state, since, "" if bot.profit is None else signed(bot.profit), bot.position


def position_table(picture: PageSnapshot, width: int) -> Table:
    """Return a line a position: entry, what it costs now, profit, days to expiry, its greeks; the sums of several."""
    cells = [_cells(each) for each in picture.positions]
    sums = ("", "", "", signed(picture.profit), *(_number(picture.greeks[name], name) for name in GREEKS))
    heads = ("DTE", "entry", "now", "P/L", *GREEKS)
    rows = [heads, *cells, *([sums] if len(cells) > 1 else [])]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    fixed = sum(widths) + len(_GAP) * len(widths)
    is_wide = width >= WIDE
    named = max((len(each.structure) for each in picture.positions), default=0)
    structures = max(min(max(named, len("open position")), width - 1 - fixed), 8)
    bots = min(max((len(each.bot) for each in picture.positions), default=0), _BOT)
    has_exits = is_wide and width - 1 - fixed - structures - bots - 2 * len(_GAP) >= len("exits")

    def line(structure: str, numbers: Sequence[str], bot: str, exits: str, profit: float | None) -> Text:
        found = Text(f" {fitted(structure, structures)}")
        for at, (cell, size) in enumerate(zip(numbers, widths, strict=True)):
            found.append(_GAP + cell.rjust(size), style=_colour(profit) if at == _PROFIT else "")
        if is_wide:
            found.append(f"{_GAP}{fitted(bot, bots)}").append(f"{_GAP}{exits}" if has_exits else "", style="dim")
        return cut(found, width)

    found: list[tuple[Row | None, Text]] = [
        (Row(each.bot, each.id), line(each.structure, row, each.bot, _exits(each), each.profit))
        for each, row in zip(picture.positions, cells, strict=True)
    ]
    if len(cells) > 1:
        found.append((None, line("all", sums, "", "", picture.profit)))
        found.append((None, cut(Text(f" {_book_text(picture)}"), width)))
    heading = line("open position", heads, "bot", "exits", None)
    heading.stylize("dim")
    return heading, found


def _book_text(picture: PageSnapshot) -> str:
    worst = "not bounded" if picture.max_loss is None else dollars(picture.max_loss)
    at_target = signed(picture.at_targets) + _besides(picture.without_target)
    at_stop = signed(picture.at_stops) + _besides(picture.without_stop)
    return f"at target {at_target}, at stop {at_stop}, max loss {worst}{_across_text(picture)}"


def _across_text(picture: PageSnapshot) -> str:
    """Return the delta of several underlyings as that of SPX, which their own deltas cannot be added up to."""
    if len(picture.underlyings) < 2:
        return ""
    return f", delta in SPX {_number(picture.spx_delta, 'delta')}"


def _besides(missing: int) -> str:
    return f" ({missing} without)" if missing else ""


_PROFIT = 3
"""The column of profit among the numbers of a position."""


def _cells(position: PositionLine) -> tuple[str, ...]:
    return (
        "-" if position.dte is None else str(position.dte),
        _number(_unsigned(position.entry), "price"),
        _number(position.mark, "price"),
        signed(position.profit),
        *(_number(getattr(position, name), name) for name in GREEKS),
    )


def _exits(position: PositionLine) -> str:
    return position.exits if position.state == "open" else f"{position.state}; {position.exits}"


def order_lines(orders: Sequence[OrderLine]) -> list[Text]:
    """Return the orders that may still fill, with a heading."""
    rows = [(each.bot, each.words, each.state, each.filled, each.price, f"try {each.attempt}") for each in orders]
    heading = [Text(" orders at work", style="dim")] if rows else []
    return [*heading, *(Text(line) for line in aligned(rows))]


def alarm_lines(alarms: Sequence[AlarmLine], width: int) -> list[Text]:
    """Return the last alarms, newest first, with a heading."""
    heading = [Text(" last alarms", style="dim")] if alarms else []
    shown = [_joined(each.clock, *([each.bot] if each.bot else []), each.text) for each in alarms[:_ALARMS]]
    return [*heading, *(cut(Text(f" {line}", style="red"), width) for line in shown)]


def _joined(*cells: str) -> str:
    return _GAP.join(cells)


def _unsigned(amount: float | None) -> float | None:
    return None if amount is None else abs(amount)


def _number(amount: float | None, name: str) -> str:
    """Return a number with the places that its column has: prices and gamma two, the other greeks one."""
    return "-" if amount is None else f"{amount:,.{2 if name == 'price' else _PLACES.get(name, 1)}f}"


def _colour(amount: float | None) -> str:
    return "" if not amount or round(amount, 2) == 0 else "green" if amount > 0 else "red"
