"""What `rulebot top` draws: a picture of a store as the lines of a screen, of just its width and height."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from textwrap import wrap

from rich.text import Text

from rulebot.cli.report import STYLES, cut, fitted, wrapped
from rulebot.cli.terminal.top_keys import KEYS, Focus, Row, rows_of
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import aligned
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import EventLine
from rulebot.narrate.snapshot import (
    GREEKS,
    BotActivity,
    BotSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    Snapshot,
    clock_text,
    instant_text,
)

# --- The tables of `rulebot top`: bots and open positions, each line with what it lets a person choose

WIDE = 105
"""Columns from which a position's bot and exits, and a bot's waiting text, are beside it."""
_ALARMS = 5
_GAP = "  "
_PLACES = {"gamma": 2}
_BOT, _NARROW_BOT, _POSITION = 24, 18, 22
"""Columns that a bot's name may take, also of a narrow screen, and the least of a position."""
_LEAST = (8, 5, 9)
"""The least columns of state, since and today."""
_DATE = 6
"""What a narrow screen shows of `Oct 20 09:32`."""

Table = tuple[Text, list[tuple[Row | None, Text]]]
"""A heading, and lines with what they let choose."""


def bot_table(picture: Snapshot, width: int) -> Table:
    """Return a line a bot: state, since when, today's profit, its position, and what it waits for without one."""
    is_wide = width >= WIDE
    heads = ("bot", "state", "since", "today", "position" if is_wide else "position, or waits for")
    cells = [_bot_cells(each, picture.at, is_wide) for each in picture.bots]
    sizes = [max(len(row[at]) for row in (heads, *cells)) for at in range(len(heads))]
    sizes[0] = min(sizes[0], _BOT if is_wide else _NARROW_BOT)
    sizes[1:4] = (max(size, least) for size, least in zip(sizes[1:4], _LEAST, strict=True))
    sizes[4] = min(max(sizes[4], _POSITION), width // 4) if is_wide else 0

    def line(row: Sequence[str], waits: str, style: str = "", profit: float | None = None) -> Text:
        found = Text(f" {fitted(row[0], sizes[0])}{_GAP}").append(row[1].ljust(sizes[1]), style=style)
        found.append(f"{_GAP}{row[2].ljust(sizes[2])}{_GAP}").append(row[3].rjust(sizes[3]), style=_colour(profit))
        position = fitted(row[4], sizes[4]) + _GAP if is_wide else row[4]
        return cut(found.append(_GAP + position).append(waits if is_wide or not position else "", style="dim"), width)

    heading = line(heads, "waits for")
    heading.stylize("dim")
    rows = zip(picture.bots, cells, strict=True)
    return heading, [
        (Row(each.bot), line(row, each.waits, STYLES.get(each.doing, ""), each.profit)) for each, row in rows
    ]


def _bot_cells(bot: BotSnapshot, at: datetime | None, is_wide: bool) -> tuple[str, ...]:
    is_said = bot.is_paused and bot.doing is not BotActivity.PAUSED
    state = f"{bot.doing}, paused" if is_said else bot.doing
    since = clock_text(bot.since, at)[: None if is_wide else _DATE]
    return bot.bot, state, since, "" if bot.profit is None else signed_dollars(bot.profit), bot.position


def position_table(picture: Snapshot, width: int) -> Table:
    """Return a line a position: entry, what it costs now, profit, days to expiry, its greeks; the sums of several."""
    cells = [_cells(each) for each in picture.positions]
    sums = ("", "", "", signed_dollars(picture.profit), *(_number(picture.greeks[name], name) for name in GREEKS))
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


def _book_text(picture: Snapshot) -> str:
    worst = "not bounded" if picture.max_loss is None else dollars(picture.max_loss)
    at_target = signed_dollars(picture.at_targets) + _besides(picture.without_target)
    at_stop = signed_dollars(picture.at_stops) + _besides(picture.without_stop)
    return f"at target {at_target}, at stop {at_stop}, max loss {worst}{_across_text(picture)}"


def _across_text(picture: Snapshot) -> str:
    """Return the delta of several underlyings as that of SPX, which their own deltas cannot be added up to."""
    if len(picture.underlyings) < 2:
        return ""
    return f", delta in SPX {_number(picture.spx_delta, 'delta')}"


def _besides(missing: int) -> str:
    return f" ({missing} without)" if missing else ""


_PROFIT = 3
"""The column of profit among the numbers of a position."""


def _cells(position: PositionSnapshot) -> tuple[str, ...]:
    return (
        "-" if position.dte is None else str(position.dte),
        _number(_unsigned(position.entry), "price"),
        _number(position.mark, "price"),
        signed_dollars(position.profit),
        *(_number(position.greeks[name], name) for name in GREEKS),
    )


def _exits(position: PositionSnapshot) -> str:
    return position.exits if position.state == "open" else f"{position.state}; {position.exits}"


def order_lines(orders: Sequence[OrderSnapshot]) -> list[Text]:
    """Return the orders that may still fill, with a heading."""
    rows = [
        (each.bot, each.words, each.state, f"{each.filled} of {each.quantity}", each.price, f"try {each.attempt}")
        for each in orders
    ]
    heading = [Text(" working orders", style="dim")] if rows else []
    return [*heading, *(Text(line) for line in aligned(rows))]


def alarm_lines(alarms: Sequence[EventLine], width: int) -> list[Text]:
    """Return the last alarms, newest first, with a heading."""
    heading = [Text(" last alarms", style="dim")] if alarms else []
    shown = ((f"{each.at.astimezone(EXCHANGE_ZONE):%b %d %H:%M}", each.bot, each.text) for each in alarms[:_ALARMS])
    return [*heading, *(cut(Text(f" {_joined(*filter(None, cells))}", style="red"), width) for cells in shown)]


def _joined(*cells: str) -> str:
    return _GAP.join(cells)


def _unsigned(amount: float | None) -> float | None:
    return None if amount is None else abs(amount)


def _number(amount: float | None, name: str) -> str:
    return "-" if amount is None else f"{amount:,.{2 if name == 'price' else _PLACES.get(name, 1)}f}"


def _colour(amount: float | None) -> str:
    return "" if not amount or round(amount, 2) == 0 else "green" if amount > 0 else "red"


# --- What `rulebot top` draws

_LONG_FOOT = (
    "jk choose  p pause  r resume  e enter  c close  C close all  s stop  S start  a acknowledge  ? help  q quit"
)
_FOOT = "jk choose p pause r resume e enter c close C close all s stop S start ? q quit"
_SHORT_FOOT = "? help  q quit"
_DETAIL = 3
"""Lines about what is chosen, where there is room."""
_HELP = (
    "A key that acts says what it will do, and asks: y confirms. The engine acts on it. Positions are "
    "as of their last snapshot, conditions as of their last change."
)
_ROOMY = 18
"""Lines of a screen from which there is."""


@dataclass(frozen=True, slots=True)
class ScreenData:
    """What was last read. alarms: newest first; waiting: alerts to be acknowledged, newest: the number of the last;
    fault: why it is old, if it is.
    """

    picture: Snapshot
    alarms: tuple[EventLine, ...] = ()
    waiting: int = 0
    newest: int = 0
    store: str = ""
    fault: str = ""


def top_lines(seen: ScreenData, focus: Focus, width: int, height: int) -> list[Text]:
    """Return `height` lines at the most, none wider than `width`."""
    head = _head(seen, width)
    foot = _below(seen, focus, width, height)
    room = max(height - len(head) - len(foot), 1)
    body, at = _help(width) if focus.is_helping else _body(seen, focus, width)
    is_last = focus.is_helping or focus.chosen == next(reversed(rows_of(seen.picture)), None)
    body = _scrolled(body, at, is_last, room)
    lines = [*head, *body, *(Text("") for _ in range(room - len(body))), *foot]
    return [cut(line, width) for line in lines[-height:]]


# ---------------------------------------------------------------- above and below


def _head(seen: ScreenData, width: int) -> list[Text]:
    picture = seen.picture
    amounts = (("net", picture.account.net_liquidation), ("buying power", picture.account.buying_power))
    money = [Text(f"{name} ${amount:,.0f}") for name, amount in amounts if amount is not None]
    levels = [Text(f"{name} {level:.2f}") for name, level in picture.levels if level is not None]
    done = [_money("realised", picture.realized), _money("open", picture.unrealized)]
    lines = [
        _spread(_states(picture), _money("today", picture.today), width),
        _spread([*done, *levels, *money, Text(picture.account.id)], Text(""), width),
    ]
    if seen.fault:
        lines.append(Text(f" this is old, and read again soon: {seen.fault}", style="bold red"))
    elif picture.notice:
        lines.append(Text(f" {picture.notice}", style="bold yellow"))
    if picture.figures:
        lines.append(Text(f" {picture.figures}", style="bold yellow"))
    if seen.waiting:
        alerts = "1 grave alert is" if seen.waiting == 1 else f"{seen.waiting} grave alerts are"
        lines.append(Text(f" {alerts} to be acknowledged: a", style="bold red"))
    return [*lines, Text("")]


def _states(picture: Snapshot) -> list[Text]:
    clock = Text(instant_text(picture.at))
    engine = Text(picture.engine, style="green" if picture.engine == "running" else "yellow")
    trading = Text("trading ").append(picture.trading, style="green" if picture.trading == "active" else "bold yellow")
    if picture.mark:
        return [clock, Text("OBSERVED, NOTHING IS SENT", style="bold black on yellow"), engine, trading]
    if picture.mode == "live" and not picture.is_simulated:
        return [clock, Text("LIVE: REAL MONEY", style="bold white on red"), engine, trading]
    return [clock, engine, trading, Text(f"{'simulated ' if picture.is_simulated else ''}{picture.mode}")]


def _spread(parts: Sequence[Text], end: Text, width: int) -> Text:
    """Return the parts for which there is room, the first ones first, and something at the right end."""
    line = Text("")
    for part in parts:
        if part.plain and len(line) + len(part) + len(end) + 5 <= width:
            line = line + Text("  " if len(line) else " ") + part
    return line + Text(" " * max(width - 1 - len(line) - len(end), 1)) + end


def _money(name: str, amount: float | None) -> Text:
    style = "" if not amount else "green" if amount > 0 else "red"
    return Text(f"{name} ").append(signed_dollars(amount), style=style)


def _below(seen: ScreenData, focus: Focus, width: int, height: int) -> list[Text]:
    """Return what is chosen in full, and the keys or a question: always as many lines, so that nothing moves."""
    foot = _foot(focus, width)
    if height < _ROOMY or focus.is_helping:
        return foot
    words = _chosen_words(seen.picture, focus.chosen)
    room = max(_DETAIL + 1 - len(foot), 0)
    lines = [Text(f" {line}", style="dim") for line in wrapped(words, width - 2)[:room]] if words else []
    name = f"── {seen.store} "
    rule = Text(name + "─" * max(width - len(name), 0), style="dim")
    return [rule, *lines, *(Text("") for _ in range(room - len(lines))), *foot]


def _chosen_words(picture: Snapshot, chosen: Row | None) -> str:
    if chosen is None:
        return ""
    position = next((each for each in picture.positions if each.id == chosen.position), None)
    if position is None:
        bot = next((each for each in picture.bots if each.bot == chosen.bot), None)
        return "" if bot is None or not bot.waits else f"{bot.bot}: {bot.waits}"
    worst = "not bounded" if position.max_loss is None else dollars(position.max_loss)
    target, stop = signed_dollars(position.at_target), signed_dollars(position.at_stop)
    made = f"at target {target}, at stop {stop}, max loss {worst}"
    since = clock_text(position.opened_at, picture.at)
    return "; ".join(filter(None, (f"{position.bot}, since {since}: {made}", position.exits)))


def _foot(focus: Focus, width: int) -> list[Text]:
    if focus.question is not None:
        asked = f"{focus.question.title}? {focus.question.words} y/n"
        return [Text(f" {line}", style="bold yellow") for line in _all_of(asked, width - 2)]
    if focus.said:
        return [Text(f" {line}", style="yellow") for line in _all_of(focus.said, width - 2)]
    fitting = next((foot for foot in (_LONG_FOOT, _FOOT) if len(foot) + 2 <= width), _SHORT_FOOT)
    return [Text(f" {fitting}", style="dim")]


def _all_of(text: str, width: int) -> list[str]:
    """Return a text in lines, complete: a confirmation needs the whole sentence."""
    return wrap(text, max(width, 20), break_on_hyphens=False)


# ---------------------------------------------------------------- between


def _body(seen: ScreenData, focus: Focus, width: int) -> tuple[list[Text], int]:
    picture = seen.picture
    lines: list[Text] = []
    at = 0
    for heading, rows in (bot_table(picture, width), position_table(picture, width)):
        lines += [heading] if rows else []
        for row, line in rows:
            if row is not None and row == focus.chosen:
                at = len(lines)
                line = _marked(line, width)
            lines.append(line)
        lines += [Text("")] if rows else []
    if not picture.positions:
        lines += [Text(" nothing is open", style="dim"), Text("")]
    lines += _section(order_lines(picture.orders))
    lines += _section(alarm_lines(seen.alarms, width))
    return lines[:-1], at


def _section(lines: Sequence[Text]) -> Iterable[Text]:
    return [*lines, Text("")] if lines else []


def _marked(line: Text, width: int) -> Text:
    marked = Text(">") + line[1:] + Text(" " * max(width - len(line), 0))
    marked.stylize("reverse")
    return marked


def _scrolled(lines: list[Text], at: int, is_last: bool, room: int) -> list[Text]:
    """Return as many lines as fit: the chosen one and those above it, and at the last one the end."""
    if len(lines) <= room:
        return lines
    kept = max(room - 1, 1)
    first = max(at - kept + 2, 0) if not is_last else min(len(lines) - kept, at)
    first = min(first, len(lines) - kept)
    words = f" {len(lines) - kept} more lines" + ("" if is_last else ": G leads to the last")
    return [*lines[first : first + kept], Text(words, style="dim")][:room]


def _help(width: int) -> tuple[list[Text], int]:
    longest = max(len(key) for key, _ in KEYS)
    lines = [Text(f" {key.ljust(longest)}  ").append(what, style="dim") for key, what in KEYS]
    return [*lines, Text(""), *(Text(f" {line}") for line in wrap(_HELP, width - 2))], 0
