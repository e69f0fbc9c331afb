"""A table with our columns (docs/history-data.md) into rows of quotes; what cannot be read is refused by row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.adapters.history.day import Columns
from engine.adapters.history.finding import refusal, refused
from engine.adapters.history.index import RowIndex
from engine.adapters.history.instants import instants
from engine.adapters.history.missing import parse_day
from engine.adapters.history.rows import BY_QUOTE, HIGHEST_STRIKE, LATEST_DAY, Rows, keys
from engine.adapters.history.table import Table, Whole
from engine.model.contract import INDICES, product
from engine.model.named_day import last_day
from engine.model.session import Session

_RIGHTS = {"c": True, "call": True, "p": False, "put": False}


def chain_rows(table: Table, session: Session | None, symbol: str, at: float | None = None) -> Rows:
    """Return the quotes of a table with our columns; `at` is their instant when the table has no times.

    Raises: StoreError naming the column or row.
    """
    for name in ("expiry", "right", "strike", "bid", "ask"):
        if name not in table.names:
            raise refusal(refused(table.file, 0, f"it has no column `{name}`"))
    class_codes, classes = (
        table.texts("trading_class")
        if "trading_class" in table.names
        else (np.zeros(len(table.rows), dtype=np.int64), [product(symbol).same_day_class])
    )
    rights, letters = table.texts("right")
    strike = table.numbers("strike")
    if not len(strike):
        raise refusal(refused(table.file, 0, "it has no rows"))
    if not ((strike > 0) & (strike < HIGHEST_STRIKE)).all():
        row = int(table.rows[np.flatnonzero(~((strike > 0) & (strike < HIGHEST_STRIKE)))[0]])
        raise refusal(refused(table.file, row, f"a strike is a number from 0 to {HIGHEST_STRIKE:,.0f}"))
    values = {name: table.numbers(name) for name in (*BY_QUOTE, "underlying") if name in table.names}
    return Rows(
        file=table.file,
        symbol=symbol,
        classes=tuple(classes),
        index=RowIndex(
            table.rows,
            _times(table, session, at),
            keys(class_codes, _expiries(table, symbol, class_codes, classes), _calls(table, rights, letters), strike),
        ),
        values=values,
    )


def symbol_of(table: Table) -> str:
    """Return the underlying of a table. Raises: StoreError when it names none, or several."""
    if "symbol" in table.names:
        _, symbols = table.texts("symbol")
        if len(symbols) != 1:
            raise refusal(
                refused(table.file, 1, f"a chain is of one underlying, this is of {', '.join(symbols) or 'none'}")
            )
        return symbols[0].upper()
    if "trading_class" in table.names:
        _, classes = table.texts("trading_class")
        for index in INDICES.values():
            if set(classes) <= set(index.classes):
                return index.symbol
        if len(classes) == 1:
            return classes[0].upper()
    raise refusal(refused(table.file, 0, "it has no column `symbol`"))


def _times(table: Table, session: Session | None, at: float | None) -> Columns:
    if at is not None or session is None:
        return np.full(len(table.rows), 0.0 if at is None else at)
    return instants(table, session)


def _calls(table: Table, codes: Whole, letters: Sequence[str]) -> Any:
    known = [_RIGHTS.get(text.lower()) for text in letters]
    for place, is_call in enumerate(known):
        if is_call is None:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"right is call or put (C, P), is {letters[place]!r}"))
    return np.array([bool(each) for each in known], dtype=bool)[codes]


def _expiries(table: Table, symbol: str, class_codes: Whole, classes: Sequence[str]) -> Whole:
    """Return the last day each option trades, as ordinals."""
    codes, texts = table.texts("expiry")
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
    found: Whole = last[class_codes, codes]
    return found
