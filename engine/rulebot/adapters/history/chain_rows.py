"""A table with our columns (docs/history-data.md) into rows of quotes; what cannot be read is refused by row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.build_session import instants
from rulebot.adapters.history.lazy_chain import HIGHEST_STRIKE, LATEST_DAY, option_keys
from rulebot.adapters.history.many_day_csv import class_of, underlying_of
from rulebot.adapters.history.row_index import BY_QUOTE, GridIndex, Index, RowIndex, Rows, repeated_after
from rulebot.adapters.history.session import APART, Columns, lacks, parse_day, refusal, refused
from rulebot.adapters.history.table import Table, Whole
from rulebot.model.contract import INDICES, class_of_shares, last_day, product
from rulebot.model.session import Session

NO_ROWS = "it has no rows"
_RIGHTS = {"c": True, "call": True, "p": False, "put": False}


def chain_rows(table: Table, session: Session | None, symbol: str, at: float | None = None) -> Rows:
    """Return the quotes of a table with our columns; `at` is their instant when the table has no times.

    Raises: StoreError naming the column or row.
    """
    for name in ("expiry", "right", "strike", "bid", "ask"):
        if name not in table.names:
            raise refusal(refused(table.file, 0, lacks(name)))
    class_codes, classes = _classes(table, symbol)
    (right_codes, letters), (day_codes, days) = table.texts("right"), table.texts("expiry")
    strike = table.numbers("strike")
    if not len(strike):
        raise refusal(refused(table.file, 0, NO_ROWS))
    if not ((strike > 0) & (strike < HIGHEST_STRIKE)).all():
        none = int(np.flatnonzero(~((strike > 0) & (strike < HIGHEST_STRIKE)))[0])
        text = f"a strike is a number above 0, below {HIGHEST_STRIKE:,.0f}, is {strike[none]:.12g}"
        text += ": times 1000?" if strike[none] < np.inf and strike[none] >= HIGHEST_STRIKE else ""
        raise refusal(refused(table.file, int(table.rows[none]), text))
    values = {name: table.numbers(name) for name in (*BY_QUOTE, "underlying") if name in table.names}
    times = _times(table, session, at)
    last = _last_days(table, symbol, classes, day_codes, days)
    is_call = _are_calls(table, right_codes, letters)
    width = repeated_after(times, class_codes, day_codes, right_codes, strike)
    own = slice(width or None)
    numbers = option_keys(
        class_codes[own], last[class_codes[own], day_codes[own]], is_call[right_codes[own]], strike[own]
    )
    return Rows(
        file=table.file,
        symbol=symbol,
        classes=tuple(classes),
        index=_index(table.rows, times, numbers, width),
        values=values,
    )


def _index(row: Whole, times: Columns, numbers: Whole, width: int) -> Index:
    """Return which row each quote is; a grid where every instant has these options, each once, in rows without gaps."""
    if width and len(np.unique(numbers)) == width and int(row[-1]) - int(row[0]) == len(row) - 1:
        return GridIndex(times[::width].copy(), numbers, int(row[0]))
    return RowIndex(row, times, np.tile(numbers, len(times) // width) if width else numbers)


def symbol_of(table: Table) -> str:
    """Return the underlying of a table. Raises: StoreError when it names none, or several."""
    if "symbol" in table.names:
        _, symbols = table.texts("symbol")
        if len(symbols) != 1:
            text = f"a chain is of one underlying, this is of {', '.join(symbols) or 'none'}"
            raise refusal(refused(table.file, 1, f"{text}: {APART}" if len(symbols) else text))
        return underlying_of(symbols[0])
    if "trading_class" in table.names:
        _, classes = table.texts("trading_class")
        known = {class_of(text) for text in classes}
        for index in INDICES.values():
            if known <= set(index.classes):
                return index.symbol
        if len(known) == 1:
            return known.pop()
    raise refusal(refused(table.file, 0, lacks("symbol")))


def _classes(table: Table, symbol: str) -> tuple[Whole, list[str]]:
    """Return the class of each row as a place among those that there are; without any it settles at the close."""
    if "trading_class" not in table.names:
        return np.zeros(len(table.rows), dtype=np.int64), [product(symbol).same_day_class]
    codes, texts = table.texts("trading_class")
    names = [class_of_shares(class_of(text)) for text in texts]
    if "" in names:
        row = int(table.rows[np.flatnonzero(codes == names.index(""))[0]])
        raise refusal(refused(table.file, row, "trading_class is missing"))
    places: dict[str, int] = {}
    own = [places.setdefault(name, len(places)) for name in names]
    return (codes if own == list(range(len(texts))) else np.array(own)[codes]), list(places)


def _times(table: Table, session: Session | None, at: float | None) -> Columns:
    if at is not None or session is None:
        return np.full(len(table.rows), 0.0 if at is None else at)
    return instants(table, session)


def _are_calls(table: Table, codes: Whole, letters: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of these words for a right are calls."""
    known = [_RIGHTS.get(text.lower()) for text in letters]
    for place, is_call in enumerate(known):
        if is_call is None:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"right is call or put (C, P), is {letters[place]!r}"))
    return np.array([bool(each) for each in known], dtype=bool)


def _last_days(table: Table, symbol: str, classes: Sequence[str], codes: Whole, texts: Sequence[str]) -> Whole:
    """Return the last day that options of each class trade with each of these days in their name, as ordinals."""
    last = np.zeros((len(classes), len(texts)), dtype=np.int64)
    for place, text in enumerate(texts):
        try:
            expires = parse_day(text)
        except ValueError:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"an expiry is like 2019-05-24, is {text!r}")) from None
        if expires.toordinal() > LATEST_DAY:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"no option expires on {expires}"))
        for number, trading_class in enumerate(classes):
            last[number, place] = last_day(symbol, trading_class, expires).toordinal()
    return last
