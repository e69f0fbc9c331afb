"""`rulebot summary --compare`: bots and their shadows side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rulebot.cli.stores import check_bot, print_json
from rulebot.cli.width import echo, terminal_width
from rulebot.model.counted import counted
from rulebot.model.errors import MisuseError
from rulebot.narrate.text_table import aligned, signed
from rulebot.store.place import Place, shown_path

if TYPE_CHECKING:
    from rulebot.compare.shadow_comparison import Compared, Side

_ROWS = (
    ("entries", "entries"),
    ("not filled", "unfilled"),
    ("closed", "closed"),
    ("won", "wins"),
    ("of which commissions are not told yet", "owed"),
    ("at a price that nobody has told", "estimated"),
    ("that ended in shares", "in_shares"),
    ("still open", "still_open"),
    ("entered where one ran alone, not counted", "entered_alone"),
    ("entry against mid", "entry_to_mid"),
    ("exit against mid", "exit_to_mid"),
    ("commissions", "commissions"),
    ("net", "net"),
    ("of that, made by shares", "beside_market"),
    ("a trade", "average"),
    ("a month of 21 sessions", "month"),
)
_SELDOM = frozenset(("owed", "estimated", "in_shares", "beside_market", "entered_alone"))
"""Rows that are left out where both sides have 0."""
SHOWN = 8
"""Letters of a digest that are shown."""
_POINTS = ("entry_to_mid", "exit_to_mid")


def show_compared(path: Place, bot: str | None, sessions: int | None, form: str) -> None:
    """Print how each bot of a store compares with its shadow. Raises: MisuseError when it has none, StoreError."""
    from rulebot.cli.shadow import shadow_store
    from rulebot.compare.shadow_comparison import compare
    from rulebot.store.open import is_there
    from rulebot.store.queries import StoreReader

    beside = shadow_store(path)
    if not is_there(beside):
        raise MisuseError(
            f"{shown_path(path)} has no shadows: {shown_path(beside)} is not there",
            "'rulebot run ... --shadow SPEC' runs a new version beside a bot",
        )
    with StoreReader(path) as live, StoreReader(beside) as shadow:
        mark = shadow.run().mark
        known = sorted(set(live.bots()) & set(shadow.bots()))
        if bot is not None:
            check_bot(bot, known, beside)
        found = compare(live, shadow, [bot] if bot else known, sessions)
    if form == "json":
        documents = [asdict(each) for each in found]
        print_json({"bots": documents, "mark": mark, "store": shown_path(path), "shadows": shown_path(beside)})
        return
    for each in found:
        for line in _lines(each):
            echo(line)
    echo(f" store {shown_path(path)}")
    echo(f" the shadows' {shown_path(beside)}   {mark}")


def _lines(found: "Compared") -> Iterator[str]:
    days = found.sessions
    count = counted(len(days), "session")
    over = f", {days[0]} to {days[-1]}" if len(days) > 1 else f", {days[0]}" if days else " of both yet"
    yield f" {found.bot} over {count}{over}" + ("; both run the same text" if found.is_same_text else "")
    yield ""
    from rulebot.cli.shadow import ENDING

    table = [("", found.bot, f"{found.bot}{ENDING}")]
    sides = found.live, found.shadow
    told = [row for row in _ROWS if row[1] not in _SELDOM or any(getattr(side, row[1]) != 0 for side in sides)]
    table += [(words, _cell(found.live, name), _cell(found.shadow, name)) for words, name in told]
    yield from aligned(table, right=frozenset((1, 2)), indent="   ")
    yield ""
    if len(found.texts) > 1:
        yield "   texts were changed in between, and the figures are of all of them; --sessions N is of the last N"
        yield from aligned(list(_texts(found)), indent="   ")
        yield ""
    if len(found.fills) > 1:
        filled = f"   the shadow's orders filled by {', then '.join(found.fills)}"
        yield f"{filled}; the figures are of all of them; --sessions N is of the last N"
        yield ""
    if not found.differences:
        yield "   no decision differed"
    else:
        yield "   what differed, and the first rule that did"
        head = ("at", "what", "live", "shadow", "rule", "because")
        rows = [
            (f"{each.date} {each.clock}", each.what, each.live, each.shadow, each.rule or "-", each.why)
            for each in found.differences
        ]
        yield from _told([head, *rows])
    yield ""


def _told(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table whose last column is a sentence: it stands below its row where the terminal is too narrow."""
    whole, width = aligned(rows, indent="   "), terminal_width()
    if width is None or max(map(len, whole)) <= width:
        yield from whole
        return
    head, *others = aligned([row[:-1] for row in rows], indent="   ")
    yield head
    for line, row in zip(others, rows[1:], strict=True):
        yield line
        yield f"     {row[-1]}"


def _texts(found: "Compared") -> Iterator[tuple[str, ...]]:
    """Yield which texts ran on each side from when to when, and where the two changed places."""
    from rulebot.cli.shadow import ENDING

    yield ("sessions", found.bot, f"{found.bot}{ENDING}", "")
    for before, each in zip((None, *found.texts), found.texts, strict=False):
        span = f"{each.first} to {each.last}" if each.last > each.first else f"{each.first}"
        is_swap = before is not None and (each.live, each.shadow) == (before.shadow, before.live)
        words = "the two changed places" if is_swap else "the same text" if each.live == each.shadow else ""
        yield (span, _named(each.live), _named(each.shadow), words)


def _named(digests: Sequence[str]) -> str:
    return ", then ".join(digest[:SHOWN] or "none" for digest in digests) or "none"


def _cell(side: "Side", name: str) -> str:
    value: Any = getattr(side, name)
    if value is None:
        return "-"
    if name in _POINTS:
        return f"{value:+.3f}"
    return str(value) if isinstance(value, int) else signed(value).lstrip("+")
