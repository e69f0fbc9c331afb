"""A chart as SVG: prices with marks of decisions, and below them what each position cost to close.

Shapes distinguish kinds, not colours alone; every mark has its words as a title, and on a page leads to its line in the
list below the drawing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from rulebot.chart.chart import Chart, HeldSpan, Mark, MarkKind, Point
from rulebot.drawing import Panel, circle, frame, padded, path, steps, text
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


class _Clock:
    """The place of an instant: in sessions since the first one's open, side by side without the nights between them."""

    def __init__(self, chart: Chart) -> None:
        self.sessions: tuple[Session, ...] = tuple(sessions(chart.first, chart.last))

    def at(self, at: datetime) -> float:
        for number, session in enumerate(self.sessions):
            if at <= session.close or number == len(self.sessions) - 1:
                part = (at - session.open) / (session.close - session.open)
                return number + min(max(part, 0.0), 1.0)
        return 0.0

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield places and words: hours of one session, else dates."""
        if len(self.sessions) == 1:
            first = self.sessions[0]
            hour = first.open.astimezone(EXCHANGE_ZONE).replace(minute=0)
            for number in range(1, 9):
                at = hour.replace(hour=hour.hour + number)
                if at <= first.close:
                    yield self.at(at), f"{at:%H:%M}"
            return
        for number in range(0, len(self.sessions), max(1, -(-len(self.sessions) // 8))):
            yield float(number), f"{self.sessions[number].date:%b %d}"

    def panel(self, amounts: Iterable[float], top: float, height: float) -> Panel:
        """Return the panel of these amounts."""
        x_range = (0.0, float(max(len(self.sessions), 1)))
        return Panel(LEFT, WIDTH - RIGHT, top, top + height, x_range, padded(amounts, 0.12, 0.05))


def chart_svg(chart: Chart, *, is_alone: bool = False) -> str:
    """Return the drawing, "" where there is nothing to draw. is_alone: not on a page, so it brings its style."""
    if chart.is_empty:
        return ""
    time, top = _Clock(chart), 0.0
    body: list[str] = []
    lines = [(symbol, points) for symbol, points in chart.lines if points] or [(_symbol(chart), ())]
    for place, (symbol, points) in enumerate(lines):
        marks = [(number, mark) for number, mark in enumerate(chart.marks, 1) if _is_on(mark, symbol, place)]
        body += _price_panel(chart, time, symbol, points, marks, top, is_linked=not is_alone)
        top += TITLE + PRICE_HEIGHT + FOOT
    for held in [each for each in chart.held if each.points][:MOST_PANELS]:
        body += _cost_panel(held, time, top)
        top += TITLE + COST_HEIGHT + FOOT
    return frame("chart", f"0 0 {WIDTH} {top:.0f}", summary(chart), body, is_alone=is_alone, role="group")


def summary(chart: Chart) -> str:
    """Return the drawing in one sentence: its text alternative, beside the list of its marks."""
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
    """Say whether a mark is on this panel: that of its symbol, or the first where it has none."""
    return mark.symbol == symbol or (not mark.symbol and place == 0)


# ---------------------------------------------------------------- prices


def _price_panel(
    chart: Chart,
    time: _Clock,
    symbol: str,
    points: Sequence[Point],
    marks: Sequence[tuple[int, Mark]],
    top: float,
    *,
    is_linked: bool,
) -> Iterator[str]:
    prices = [price for _, price in points] + [mark.price for _, mark in marks if mark.price is not None]
    strikes = _strikes_near(chart, symbol, prices)
    panel = time.panel([*prices, *strikes], top + TITLE, PRICE_HEIGHT)
    yield text(4, top + 15, symbol or "no price was kept", "start")
    yield from _grid(time, panel, has_amounts=bool(prices or strikes))
    yield from (panel.level("strike", strike) for strike in strikes)
    if points:
        yield _line(time, panel, points)
    else:
        yield text(WIDTH / 2, top + TITLE + PRICE_HEIGHT / 2, "no price of it was kept", kind="soft")
    yield from (_named(panel.y(strike), words) for strike, words in strikes.items())
    yield from _marks(time, panel, marks, is_linked=is_linked)


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


def _marks(time: _Clock, panel: Panel, marks: Sequence[tuple[int, Mark]], *, is_linked: bool) -> Iterator[str]:
    taken: list[tuple[float, float]] = []
    for number, mark in marks:
        x = panel.x(time.at(mark.at))
        y = panel.y(mark.price) if mark.price is not None else panel.bottom - 8
        step = APART * 1.6 if mark.kind is MarkKind.ENTRY or y < (panel.top + panel.bottom) / 2 else -APART * 1.6
        while any(abs(x - other) < APART and abs(y - beside) < APART for other, beside in taken):
            y += step
        y = min(max(y, panel.top + 4), panel.bottom - 4)
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


def _cost_panel(held: HeldSpan, time: _Clock, top: float) -> Iterator[str]:
    costs = [cost for _, cost in held.points]
    ends = [each for each in (held.entry, held.exit) if each is not None]
    panel = time.panel([*costs, *ends, *(level for _, level in held.levels)], top + TITLE, COST_HEIGHT)
    does = "brings when it is closed" if held.is_debit else "costs to close"
    yield text(4, top + 15, f"trade {held.trade}, {held.structure}: what it {does}, per share", "start")
    yield from _grid(time, panel)
    named = _levels(held)
    yield from (panel.level(kind, level) for level, kind in named.values())
    yield _line(time, panel, held.points)
    yield from (_named(panel.y(level), words) for words, (level, _) in named.items())
    if held.entry_at is not None and held.entry is not None and held.entry_at >= time.sessions[0].open:
        yield _entry(panel.x(time.at(held.entry_at)), panel.y(held.entry))
    if held.exit_at is not None and held.exit is not None:
        yield _exit(panel.x(time.at(held.exit_at)), panel.y(held.exit))


def _levels(held: HeldSpan) -> dict[str, tuple[float, str]]:
    """Return the entry and the prices of the exits, by name, each with its class."""
    named = {} if held.entry is None else {f"entry {price_text(held.entry)}": (held.entry, "level")}
    for name, level in held.levels:
        is_gain = held.entry is not None and (level < held.entry) is not held.is_debit
        named[f"{name} {price_text(level)}"] = (level, f"level {'good' if is_gain else 'bad'}")
    return named


# ---------------------------------------------------------------- strokes


def _grid(time: _Clock, panel: Panel, *, has_amounts: bool = True) -> Iterator[str]:
    is_whole = all(float(amount).is_integer() for amount in steps(*panel.y_range))
    if has_amounts:
        yield from panel.amounts(lambda amount: f"{amount:,.{0 if is_whole else 2}f}")
    yield from panel.names(time.ticks(), has_lines=True)


def _named(y: float, words: str) -> str:
    """Return the name of a level, above its line; drawn last, so that no line covers it."""
    return text(WIDTH - RIGHT - 2, y - 3, words, "end")


def _line(time: _Clock, panel: Panel, points: Sequence[Point]) -> str:
    return panel.line("curve", ((time.at(at), amount) for at, amount in points))
