"""A chart as SVG: prices with marks of what was decided, and below them what each position cost to close.

Shapes tell kinds apart, not colours alone; every mark has its words as a title, and on a page leads to its line in the
list below the drawing. Letters and colours are those of the page, or of a style sheet that it brings along.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from math import floor, log10

from rulebot.chart.chart import Chart, HeldSpan, Mark, MarkKind, Point
from rulebot.drawing import across, circle, down, frame, path, polyline, text
from rulebot.model.session import EXCHANGE_ZONE, Session, sessions
from rulebot.model.text import counted
from rulebot.model.text import signed_price as price_text

WIDTH, LEFT, RIGHT = 760, 66, 28
PRICE_HEIGHT, COST_HEIGHT, TITLE, FOOT = 230, 130, 24, 26
MOST_PANELS = 6
"""Positions that have a drawing of their own."""
REACH = 1.5
"""By how many times its day's range a panel grows at most to show a strike."""
APART = 11.0
"""Points between two marks that would lie on one another."""
_SEVERAL = {MarkKind.ENTRY: "entries", MarkKind.EXIT: "exits"}
"""What marks are called where there is more than one; others do not change."""

STYLE = """
.chart{--ink:#1b211f;--soft:#5d6764;--line:#d9dedb;--good:#146c43;--bad:#b3261e;--alarm:#8a4b00;--accent:#1d4f43;--card:#fff;\
background:var(--card)}
@media (prefers-color-scheme:dark){.chart{--ink:#e7ecea;--soft:#a3aeaa;--line:#33403b;--good:#6fd19c;--bad:#ff8a80;\
--alarm:#ffb95c;--accent:#8fd3bd;--card:#1a201e}}
.chart text{font:12px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:3px}
.chart .soft{fill:var(--soft)}
.chart .grid{stroke:var(--line)} .chart .price{fill:none;stroke:var(--accent);stroke-width:1.6}
.chart .strike{stroke:var(--soft);stroke-dasharray:2 4} .chart .level{stroke:var(--ink);stroke-dasharray:6 3}
.chart .level.good{stroke:var(--good)} .chart .level.bad{stroke:var(--bad)}
.chart .entry{fill:var(--good)} .chart .exit{fill:var(--accent)} .chart .exit.bad{fill:var(--bad)}
.chart .refused,.chart .unfilled{stroke:var(--alarm);stroke-width:2.2;fill:none}
.chart .hit{fill:transparent}
"""
"""For a drawing that stands alone; the page has the same in its own style sheet."""


class _Axis:
    """Where an instant stands: sessions side by side, without the nights between them."""

    def __init__(self, chart: Chart) -> None:
        self.sessions: tuple[Session, ...] = tuple(sessions(chart.first, chart.last))
        self._wide = (WIDTH - LEFT - RIGHT) / max(len(self.sessions), 1)

    def x(self, at: datetime) -> float:
        for number, session in enumerate(self.sessions):
            if at <= session.close or number == len(self.sessions) - 1:
                part = (at - session.open) / (session.close - session.open)
                return LEFT + (number + min(max(part, 0.0), 1.0)) * self._wide
        return float(LEFT)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield places and words: hours of one session, else dates."""
        if len(self.sessions) == 1:
            first = self.sessions[0]
            hour = first.open.astimezone(EXCHANGE_ZONE).replace(minute=0)
            for number in range(1, 9):
                at = hour.replace(hour=hour.hour + number)
                if at <= first.close:
                    yield self.x(at), f"{at:%H:%M}"
            return
        step = max(1, -(-len(self.sessions) // 8))
        for number in range(0, len(self.sessions), step):
            yield LEFT + number * self._wide, f"{self.sessions[number].date:%b %d}"


class _Scale:
    """Where an amount stands in a panel."""

    def __init__(self, amounts: Iterable[float], top: float, height: float) -> None:
        found = list(amounts)
        self.is_known = bool(found)
        low, high = min(found, default=0.0), max(found, default=0.0)
        room = (high - low) * 0.12 or max(abs(high) * 0.01, 0.05)
        self.low, self.high, self.top, self.height = low - room, high + room, top, height

    def y(self, amount: float) -> float:
        return self.top + (self.high - amount) / (self.high - self.low) * self.height

    def ticks(self) -> Iterator[float]:
        """Yield round amounts, three to six of them; none where no amount is known."""
        if not self.is_known:
            return
        raw = (self.high - self.low) / 4
        unit = 10.0 ** floor(log10(raw))
        step = next(unit * times for times in (1, 2, 2.5, 5, 10) if unit * times >= raw)
        number = floor(self.low / step) + 1
        while number * step < self.high:
            yield number * step
            number += 1


def chart_svg(chart: Chart, *, is_alone: bool = False) -> str:
    """Return the drawing, "" where there is nothing to draw. is_alone: not on a page, so it brings its style."""
    if chart.is_empty:
        return ""
    axis, top = _Axis(chart), 0.0
    body: list[str] = []
    lines = [(symbol, points) for symbol, points in chart.lines if points] or [(_symbol(chart), ())]
    for place, (symbol, points) in enumerate(lines):
        marks = [(number, mark) for number, mark in enumerate(chart.marks, 1) if _is_on(mark, symbol, place)]
        body += _price_panel(chart, axis, symbol, points, marks, top, is_linked=not is_alone)
        top += TITLE + PRICE_HEIGHT + FOOT
    for held in [each for each in chart.held if each.points][:MOST_PANELS]:
        body += _cost_panel(held, axis, top)
        top += TITLE + COST_HEIGHT + FOOT
    style = STYLE if is_alone else ""
    return frame("chart", f"0 0 {WIDTH} {top:.0f}", summary(chart), body, style, role="group")


def summary(chart: Chart) -> str:
    """Return what the drawing shows, in one sentence: its text alternative, beside the list of its marks."""
    counts = {kind: sum(mark.kind is kind for mark in chart.marks) for kind in MarkKind}
    named = [counted(count, kind.value, _SEVERAL.get(kind, kind.value)) for kind, count in counts.items() if count]
    days = f"on {chart.first}" if chart.first == chart.last else f"from {chart.first} to {chart.last}"
    ranges = [
        f"{symbol} between {min(prices):,.2f} and {max(prices):,.2f}"
        for symbol, points in chart.lines
        if (prices := [price for _, price in points])
    ]
    return f"{chart.bot} {days}: {', '.join([*ranges, *named]) or 'nothing'}"


def _symbol(chart: Chart) -> str:
    return chart.marks[0].symbol if chart.marks else ""


def _is_on(mark: Mark, symbol: str, place: int) -> bool:
    """Say whether a mark stands on this panel: that of its symbol, or the first where it has none."""
    return mark.symbol == symbol or (not mark.symbol and place == 0)


# ---------------------------------------------------------------- prices


def _price_panel(
    chart: Chart,
    axis: _Axis,
    symbol: str,
    points: Sequence[Point],
    marks: Sequence[tuple[int, Mark]],
    top: float,
    *,
    is_linked: bool,
) -> Iterator[str]:
    prices = [price for _, price in points] + [mark.price for _, mark in marks if mark.price is not None]
    strikes = _strikes_near(chart, symbol, prices)
    scale = _Scale([*prices, *strikes], top + TITLE, PRICE_HEIGHT)
    yield text(4, top + 15, symbol or "no price was kept", "start")
    yield from _grid(axis, scale)
    yield from (_level(scale.y(strike), "strike") for strike in strikes)
    if points:
        yield _line(axis, scale, points)
    else:
        yield text(WIDTH / 2, top + TITLE + PRICE_HEIGHT / 2, "no price of it was kept", kind="soft")
    yield from (_named(scale.y(strike), words) for strike, words in strikes.items())
    yield from _marks(axis, scale, marks, is_linked=is_linked)


def _strikes_near(chart: Chart, symbol: str, prices: Sequence[float]) -> dict[float, str]:
    """Return the strikes that can be shown without making the day a flat line, each with its words."""
    if not prices:
        return {}
    low, high = min(prices), max(prices)
    reach = max(high - low, high * 0.002) * REACH
    found: dict[float, str] = {}
    for held in chart.held:
        for of, strike, is_sold in held.strikes:
            if of == symbol and low - reach <= strike <= high + reach:
                found.setdefault(strike, f"{'short' if is_sold else 'long'} {strike:g}")
    return found


def _marks(axis: _Axis, scale: _Scale, marks: Sequence[tuple[int, Mark]], *, is_linked: bool) -> Iterator[str]:
    taken: list[tuple[float, float]] = []
    for number, mark in marks:
        x = axis.x(mark.at)
        y = scale.y(mark.price) if mark.price is not None else scale.top + scale.height - 8
        step = APART * 1.6 if mark.kind is MarkKind.ENTRY or y < scale.top + scale.height / 2 else -APART * 1.6
        while any(abs(x - other) < APART and abs(y - beside) < APART for other, beside in taken):
            y += step
        y = min(max(y, scale.top + 4), scale.top + scale.height - 4)
        taken.append((x, y))
        words = mark_words(mark)
        drawn = f"<title>{escape(words)}</title>{_shape(mark, x, y)}{text(x + 9, y + 4, str(number), 'start')}"
        if is_linked:
            yield f'<a href="#mark-{number}" aria-label="{number}: {escape(words)}">{drawn}</a>'
        else:
            yield f"<g>{drawn}</g>"


def mark_words(mark: Mark) -> str:
    """Return `09:45:00 entry: sold 5920/5930p at 0.85, SPX 5,995.12`."""
    clock = f"{mark.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"
    where = "" if mark.price is None else f", {mark.symbol} {mark.price:,.2f}"
    return f"{clock} {mark.kind.value}: {mark.words}{where}"


def _shape(mark: Mark, x: float, y: float) -> str:
    hit = circle("hit", x, y, 10)
    match mark.kind:
        case MarkKind.ENTRY:
            return hit + _entry(x, y)
        case MarkKind.EXIT:
            return hit + _exit(x, y, " bad" if mark.gain is not None and mark.gain < 0 else "")
        case MarkKind.REFUSED:
            return hit + path("refused", f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10")
        case MarkKind.UNFILLED:
            return hit + circle("unfilled", x, y, 5)


def _entry(x: float, y: float) -> str:
    return path("entry", f"M{x:.1f} {y:.1f}l-6 11h12z")


def _exit(x: float, y: float, tone: str = "") -> str:
    return path(f"exit{tone}", f"M{x:.1f} {y:.1f}l-6 -11h12z")


# ---------------------------------------------------------------- what a position costs to close


def _cost_panel(held: HeldSpan, axis: _Axis, top: float) -> Iterator[str]:
    costs = [cost for _, cost in held.points]
    ends = [each for each in (held.entry, held.exit) if each is not None]
    scale = _Scale([*costs, *ends, *(level for _, level in held.levels)], top + TITLE, COST_HEIGHT)
    does = "brings when it is closed" if held.is_debit else "costs to close"
    yield text(4, top + 15, f"trade {held.trade}, {held.structure}: what it {does}, per share", "start")
    yield from _grid(axis, scale)
    named = _levels(held)
    yield from (_level(scale.y(level), kind) for level, kind in named.values())
    yield _line(axis, scale, held.points)
    yield from (_named(scale.y(level), words) for words, (level, _) in named.items())
    if held.entry_at is not None and held.entry is not None and held.entry_at >= axis.sessions[0].open:
        yield _entry(axis.x(held.entry_at), scale.y(held.entry))
    if held.exit_at is not None and held.exit is not None:
        yield _exit(axis.x(held.exit_at), scale.y(held.exit))


def _levels(held: HeldSpan) -> dict[str, tuple[float, str]]:
    """Return the entry and the prices of the exits, by name, each with its class."""
    named = {} if held.entry is None else {f"entry {price_text(held.entry)}": (held.entry, "level")}
    for name, level in held.levels:
        is_gain = held.entry is not None and (level < held.entry) is not held.is_debit
        named[f"{name} {price_text(level)}"] = (level, f"level {'good' if is_gain else 'bad'}")
    return named


# ---------------------------------------------------------------- strokes


def _grid(axis: _Axis, scale: _Scale) -> Iterator[str]:
    bottom = scale.top + scale.height
    amounts = list(scale.ticks())
    places = 0 if amounts and all(abs(amount - round(amount)) < 1e-9 for amount in amounts) else 2
    for amount in amounts:
        y = scale.y(amount)
        yield _level(y, "grid")
        yield text(LEFT - 6, y + 4, f"{amount:,.{places}f}", "end", "soft")
    for x, words in axis.ticks():
        yield down("grid", x, float(scale.top), float(bottom))
        yield text(x, bottom + 16, words, "middle", "soft")


def _level(y: float, kind: str) -> str:
    return across(kind, LEFT, WIDTH - RIGHT, y)


def _named(y: float, words: str) -> str:
    """Return the name of a level, above its line; it is drawn last, so that no line lies on it."""
    return text(WIDTH - RIGHT - 2, y - 3, words, "end")


def _line(axis: _Axis, scale: _Scale, points: Sequence[Point]) -> str:
    return polyline("price", ((axis.x(at), scale.y(amount)) for at, amount in points))
