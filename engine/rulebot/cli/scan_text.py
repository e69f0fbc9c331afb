"""A scan for eyes: a table for each bot, what it took, and what to type next; and earlier scans."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rulebot.cli.width import lacking, narrowed
from rulebot.compile.plan import Call
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.evaluate.wording import shown
from rulebot.model.counted import counted
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.position_text import price
from rulebot.narrate.text_table import aligned
from rulebot.preview.delayed_data import MARK, WORLD
from rulebot.record.codec import utc_time
from rulebot.scan.scan_row import Scan, ScanRow

_HEADS = (
    *("dte", "price", "delta", "gamma", "theta", "vega", "iv", "rank", "pctl"),
    *("vol", "oi", "width", "prob", "itm", "ror", "crowd"),
)
_OWN = {
    "dte": "dte",
    "iv": "iv",
    "iv_rank": "rank",
    "iv_percentile": "pctl",
    "volume": "vol",
    "open_interest": "oi",
    "quote_width": "width",
    "crowding": "crowd",
    "probability_of_profit": "prob",
    "return_on_risk": "ror",
}
"""Measures that a table has in any case, so that being ranked by one adds no column, and their columns."""
_FIRST_TO_GO = ("gamma", "vega", "theta", "pctl", "itm", "oi", "vol", "width", "crowd", "delta", "rank", "dte", "ror")
"""Columns that a narrow terminal does without, in this order."""
_NAMED = 3
"""Columns that say which trade a row is about; of the others those stand in which anything is known."""
Row = Mapping[str, Any]


def scan_lines(scan: Scan, rows: Sequence[ScanRow], *, all_shown: bool, width: int | None = None) -> Iterator[str]:
    """Yield the whole for eyes; `rows` are those that are shown. width: of the terminal, None where none is."""
    if scan.world == WORLD:
        yield f"{MARK}: Cboe's quotes as of {clock(scan.at)}. They are for looking: no bot trades on them."
    for name in scan.bots:
        of_bot = [row for row in scan.rows if row.bot == name]
        yield _title(name, of_bot)
        yield from _table([row for row in rows if row.bot == name], width, all_shown=all_shown)
        yield ""
    if scan.world != WORLD and any(row.data == "delayed" for row in scan.rows):
        yield "(delayed) what is not subscribed came 10 to 15 minutes late: see 'delayed_data' of specs"
    yield taken(scan)
    yield from (f"note: {note}" for note in scan.notes)


def _title(name: str, rows: Sequence[ScanRow]) -> str:
    held = sum(row.holds is True for row in rows)
    text = f"{name}: all conditions hold for {held} of {len(rows)}"
    if rows and rows[0].by:
        text += f"; by {rows[0].by}"
    entered = [row.symbol for row in rows if row.taken]
    return f"{text}; * it would enter {', '.join(entered)}" if entered else text


def _table(rows: Sequence[ScanRow], width: int | None, *, all_shown: bool) -> list[str]:
    if not rows:
        return [" none: --all shows what each lacks"]
    by = rows[0].by
    extra = [by] if by and by not in _OWN else []
    heads = ["", "symbol", "trade", *extra, *_HEADS]
    cells = [_cells(row, bool(extra)) for row in rows]
    known = _with_something(heads, cells, _NAMED, "-")
    whole = [[row[at] for at in known] for row in (heads, *cells)]
    going = [whole[0].index(name) for name in _FIRST_TO_GO if name in whole[0] and name != _OWN.get(by)]
    (head, *lines), left_out = narrowed(whole, width, going, right=frozenset(range(_NAMED, len(known))))
    lacks = [f"      lacks {row.why}" if all_shown and row.why else "" for row in rows]
    told = lacking(left_out, width, "--format csv")
    return [head, *(line for both in zip(lines, lacks, strict=True) for line in both if line), *told]


def _with_something(heads: Sequence[str], rows: Sequence[Sequence[str]], always: int, nothing: str) -> list[int]:
    """Return the places of the columns that are shown: the first `always`, and those in which a row has something."""
    return [at for at in range(len(heads)) if at < always or any(row[at] != nothing for row in rows)]


def _cells(row: ScanRow, has_by: bool) -> list[str]:
    place = f"{row.place or '-'}{'*' if row.taken else ''}"
    name = " ".join(filter(None, (row.symbol, row.alternative, "(delayed)" if row.data == "delayed" else "")))
    by = [value_text(row.by, row.value)] if has_by else []
    return [place, name, trade_text(_as_dict(row)), *by, *_numbers(row)]


def _as_dict(row: ScanRow) -> Row:
    return {"structure": row.structure, "price": row.price, "symbol": row.symbol}


def _numbers(row: ScanRow) -> Iterator[str]:
    yield "-" if row.dte is None else str(row.dte)
    yield "-" if row.price is None else price(row.price)
    yield from (_figure(greek) for greek in (row.delta, row.gamma, row.theta, row.vega))
    yield _plain(row.iv, ".1f", "%")
    yield from (_plain(each, ".0f") for each in (row.iv_rank, row.iv_percentile))
    yield from (_plain(each, ",.0f") for each in (row.volume, row.open_interest))
    yield _plain(row.quote_width, ".2f")
    yield from map(_share, (row.probability_of_profit, row.probability_in_the_money, row.return_on_risk))
    yield _plain(row.crowding, ".0f")


def _plain(number: float | None, form: str, unit: str = "") -> str:
    return "-" if number is None else f"{number:{form}}{unit}"


def _figure(number: float | None) -> str:
    """Return three figures of a greek: 721, 17.0, -2.97, 0.034."""
    if number is None:
        return "-"
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2 if abs(number) >= 1 else 3
    return f"{number:,.{places}f}"


def trade_text(row: Row) -> str:
    """Return `sell 46/51p`: the symbol stands beside it."""
    structure, net = str(row["structure"]), row["price"]
    if not structure:
        return "-"
    own = structure.removeprefix(f"{row['symbol']} ")
    return own if net is None else f"{'sell' if net > 0 else 'buy'} {own}"


def value_text(measure: str, value: float | None) -> str:
    """Return a value as its measure is written."""
    if value is None:
        return "-"
    found = VOCABULARY.get(measure)
    return f"{value:g}" if found is None else shown(value, Call(measure, (), found.quantity))


def taken(scan: Scan) -> str:
    """Return what a scan took: time, lines, turns."""
    many, turns = counted(scan.structures, "structure"), counted(scan.turns, "turn")
    if not scan.line_limit:
        return f"{scan.world}, {clock(scan.at)}: {many} in {scan.seconds:.0f} s; no market data line was taken"
    delayed = sum(row.data == "delayed" for row in scan.rows)
    lines = f"at most {scan.lines} of {scan.line_limit} market data lines"
    return (
        f"{scan.world}, {clock(scan.at)}: {many} in {scan.seconds:.0f} s of the market's clock, {lines}, {turns}; "
        f"{scan.lines_taken} lines taken, {scan.lines_evicted} evicted for the next"
        + (f"; {delayed} on delayed data" if delayed else "")
    )


def next_lines(scan: Scan, flags: Sequence[str]) -> Iterator[str]:
    """Yield what to type next: what the best bot does in words, then the run that enters by itself."""
    held = [row for row in scan.rows if row.holds is True]
    best = next((row for row in held if row.taken), held[0] if held else None)
    if best is None:
        return
    file = scan.bots[best.bot]
    yield f"next: rulebot explain {shlex.quote(file)}"
    yield f"      rulebot run --paper {shlex.join([*flags, file])}"


def clock(at: datetime | str) -> str:
    """Return `2026-10-21 10:30:18` in New York."""
    moment = utc_time(at) if isinstance(at, str) else at
    return f"{moment.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"


# ---------------------------------------------------------------- earlier scans


def history_lines(scans: Iterable[Row]) -> list[str]:
    """Return a line for each earlier scan."""
    heads = ("", "at (New York)", "market", "rows", "hold", "seconds", "lines", "specs")
    rows = [
        (str(each["id"]), clock(each["at"]), each["world"], str(each["rows"]), str(each["held"]),
         f"{each['seconds']:.0f}", str(each["lines"]), " ".join(each["specs"]))
        for each in scans
    ]  # fmt: skip
    return aligned([heads, *rows], right=frozenset((0, 3, 4, 5, 6)))


_OF_TRADE = 5
"""How many columns of an earlier row say which trade it was."""


def symbol_lines(rows: Iterable[Row]) -> list[str]:
    """Return a line for each earlier row of a symbol; a column behind those of the trade stands where a row has it."""
    heads = ("at (New York)", "market", "bot", "trade", "price", "iv", "rank", "prob", "ror", "by", "value", "lacks")
    found = [
        (clock(each["at"]), f"{each['world']}{' delayed' if each['data'] == 'delayed' else ''}", each["bot"],
         trade_text(each), "-" if each["price"] is None else price(each["price"]), _plain(each["iv"], ".1f", "%"),
         _plain(each["iv_rank"], ".0f"), _share(each["probability_of_profit"]), _share(each["return_on_risk"]),
         each["by"], value_text(each["by"], each["value"]) if each["by"] else "", each["why"])
        for each in rows
    ]  # fmt: skip
    kept = _with_something(heads, found, _OF_TRADE, "")
    shown = [[row[at] for at in kept] for row in (heads, *found)]
    return aligned(shown, right=frozenset(place for place, at in enumerate(kept) if at in (4, 5, 6, 7, 8, 10)))


def _share(part: float | None) -> str:
    return _plain(None if part is None else part * 100, ".1f", "%")
