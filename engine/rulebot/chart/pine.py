"""A chart as a script for TradingView (Pine v6): labels on its chart where something was decided, lines for strikes.

The script draws what was recorded and computes nothing. It draws once, on the last complete bar, by the clock of the
exchange, so that it fits bars of any length; on the chart of another symbol it says so and draws nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from rulebot.chart.chart import Chart, HeldSpan, Mark, MarkKind
from rulebot.model.printable import printable
from rulebot.model.session import EXCHANGE_ZONE, session_from

LONGEST = 300
"""Letters of a label's tooltip at most."""
SHORT = 60
MOST_LABELS = 450
"""Pine allows 500 labels; some room is left."""
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
    return [*map(_mark, marks), *(line for held in chart.held for line in _levels(chart, held, symbol))]


def _mark(mark: Mark) -> str:
    form, place, paint = _STYLES[mark.kind]
    if mark.kind is MarkKind.EXIT and mark.gain is not None and mark.gain < 0:
        paint = _LOST
    words = "" if mark.kind in (MarkKind.REFUSED, MarkKind.UNFILLED) else _cut(mark.words, SHORT)
    more = _cut(f"{mark.kind.value}: {mark.words}", LONGEST)
    y = "na" if mark.price is None else f"{mark.price:.2f}"
    place = place if mark.price is None else "yloc.price"
    return f"mark({_time(mark.at)}, {y}, {_quoted(words)}, {_quoted(more)}, {form}, {place}, {paint})"


def _levels(chart: Chart, held: HeldSpan, symbol: str) -> Iterator[str]:
    """Yield its strikes on this symbol, from its entry to its end."""
    begin = held.entry_at or session_from(chart.first).open
    end = held.exit_at or session_from(chart.last).close
    for of, strike, is_sold in held.strikes:
        if of == symbol:
            paint, side = ("color.orange", "short") if is_sold else ("color.gray", "long")
            yield f"level({_time(begin)}, {_time(end)}, {strike:g}, {_quoted(f'{side} {strike:g}')}, {paint})"


def _time(at: datetime) -> str:
    """Return an instant as Pine writes one, by the exchange's clock."""
    local = at.astimezone(EXCHANGE_ZONE)
    parts = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    return f'timestamp("America/New_York", {", ".join(map(str, parts))})'


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 3]}..."


def _plain(words: str) -> str:
    """Return words that may stand in a comment: one line, no control signs."""
    return printable(words, instead=" ")


def _quoted(words: str) -> str:
    """Return a string literal of Pine."""
    text = _plain(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
