"""Rows of a file under our names of columns and in our units; what cannot be read is left out and reported by row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from rulebot.adapters.history.session import SHOWN, Finding, finding_text, left_out, refusal, refused
from rulebot.data.layout import OF_QUOTE, Layout
from rulebot.data.read import ROW, Block
from rulebot.data.values import (
    NOTHING,
    ClockUnit,
    DateOrder,
    Moment,
    date_order,
    is_adjusted,
    needs_order,
    parse_class,
    parse_clock,
    parse_contract,
    parse_date,
    parse_moment,
    parse_right,
    parse_symbol,
)
from rulebot.model.contract import product
from rulebot.model.errors import StoreError

NEEDED = ("date", "expiry", "right", "strike", "bid", "ask")
"""What a chain cannot do without."""
_SAME_STRIKE = 0.01
_DAYS_APART = 4
"""Days at most from the last day of an option to that in its name: a weekend, and the morning settlement."""
_UNSET = 1e9
"""From here on a number stands for none. Sources: Databento, undefined prices are 2**63 - 1; TWS API, unset doubles."""
_NO_NAME = (None, None, None, None)
_OF_NAME: Mapping[str, Any] = {"root": pl.String, "expiry": pl.Date, "right": pl.String, "strike": pl.Float64}
"""Our columns that the name of a contract holds, in its order."""
_APART = "is_apart"
"""The column of rows whose contract contradicts their other columns."""
Parse = Callable[[str], Any]


class _Tally(NamedTuple):
    """The first rows with a fault, the number of all that have it, and a text of the first."""

    rows: list[int]
    number: int
    text: str = ""

    def with_more(self, rows: pl.Series) -> "_Tally":
        """Return this one with further rows; a row that holds a call and a put counts once."""
        further = rows.unique(maintain_order=True)
        return _Tally((self.rows + further.head(SHOWN).to_list())[:SHOWN], self.number + len(further), self.text)


class RowReader:
    """Reads the blocks of one file by a layout. symbol, day: those of rows that have no such column.

    findings: what was wrong with the rows so far, without what is counted for the whole file (`all_findings`).
    """

    def __init__(self, file: str, header: Sequence[str], layout: Layout, *, symbol: str = "", day: str = "") -> None:
        self.file, self.layout = file, layout
        self._header = frozenset(header)
        self._columns, self._call, self._put = (
            columns_of(header, each) for each in (layout.columns, layout.call, layout.put)
        )
        self._symbol, self._day = parse_symbol(symbol or layout.symbol), day
        self.findings: list[Finding] = [finding_text(file, 0, each) for each in layout.remarks]
        self._order = layout.dates
        self._needs_time = False
        self._left: dict[str, _Tally] = {}
        self._odd: dict[str, _Tally] = {}
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        self._check_columns()

    def _check_columns(self) -> None:
        lacking = lacking_columns(self._header, self.layout, self._symbol, self._day)
        if lacking:
            have = ", ".join(sorted(self._header)[:40])
            text = f"{self.file}:1: no column holds {', '.join(lacking)}; the file has {have}"
            raise StoreError(text, f"'rulebot data check {self.file}' drafts a columns file to be completed")

    # --- One block

    def rows(self, block: Block) -> pl.DataFrame:
        """Return the rows of a block under our names. Raises: StoreError where its days have two meanings."""
        self.findings += block.findings
        frame = block.frame
        self._settle_order(frame)
        found = pl.DataFrame({ROW: frame[ROW]})
        found = self._with_moments(found, frame)
        found = self._with_contracts(found, frame)
        found = found.with_columns(self._levels(frame))
        if self.layout.is_wide:
            shared = self._numbers(frame, self._columns, OF_QUOTE)
            sides = [
                found.with_columns(pl.lit(right).alias("right"), *shared, *self._numbers(frame, own, OF_QUOTE))
                for right, own in (("C", self._call), ("P", self._put))
            ]
            found = pl.concat([self._put_delta(each) for each in sides], how="diagonal")
        else:
            found = found.with_columns(self._numbers(frame, self._columns, OF_QUOTE))
        return self._complete(found)

    def _put_delta(self, side: pl.DataFrame) -> pl.DataFrame:
        """Return rows of puts with a put's delta where the file has that of the call alone."""
        if "delta" in self._columns and "delta" not in self._put:
            is_put = pl.col("right") == "P"
            return side.with_columns(pl.when(is_put).then(pl.col("delta") - 1.0).otherwise(pl.col("delta")))
        return side

    def _complete(self, found: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that say which option was quoted when."""
        for name, words in (
            ("date", "its day cannot be read"),
            ("symbol", "it names no underlying"),
            ("root", "it names no trading class"),
            ("expiry", "its expiry cannot be read"),
            ("right", "its right is neither call nor put"),
            ("strike", "its strike is no number above 0"),
        ):
            is_bad = found[name].is_null() if name != "strike" else ~(found[name].fill_null(0.0) > 0.0)
            found = self._leave(found, is_bad, words)
        if self._needs_time:
            found = self._leave(found, found["time"].is_null(), "its time cannot be read")
        if _APART in found.columns:
            found = self._leave(
                found, found[_APART], "its contract is another option than strike, right and expiry say"
            )
            found = found.drop(_APART)
        is_of_adjusted = self._parsed("adjusted", found["root"], is_adjusted, pl.Boolean)
        return self._leave(found, is_of_adjusted, "an adjusted contract, whose deliverable is not 100 shares")

    def _leave(self, found: pl.DataFrame, is_bad: pl.Series, words: str) -> pl.DataFrame:
        if not is_bad.any():
            return found
        self._left[words] = self._left.get(words, _Tally([], 0)).with_more(found[ROW].filter(is_bad))
        return found.filter(~is_bad)

    def all_findings(self) -> Iterator[Finding]:
        """Yield what was wrong with the whole file."""
        yield from self.findings
        for words, (rows, count, _) in self._left.items():
            yield left_out(self.file, rows, words, count)
        for column, (rows, count, text) in self._odd.items():
            yield finding_text(self.file, rows[0], f"{column} is no number, as {text!r}: it counts as empty", count)

    # --- Days and times

    def _settle_order(self, frame: pl.DataFrame) -> None:
        """Find which part of a day is the month, by all days of a block. Raises: StoreError where nothing shows it."""
        if self._order is None:
            columns = [frame[name] for ours in ("date", "time", "expiry") if (name := self._columns.get(ours))]
            self._order = order_of(self.file, int(frame[ROW][0]) if len(frame) else 0, columns)

    def _with_moments(self, found: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with `date`, and `time` in microseconds since midnight in New York."""
        clock, day = self._columns.get("time"), self._columns.get("date")
        if clock is not None and (day is None or self._is_moment(frame[clock])):
            days, micros = self._moments(frame[clock])
        else:
            texts = frame[day] if day is not None else pl.Series([self._day] * len(frame), dtype=pl.String)
            days, micros = self._moments(texts)
            if clock is not None:
                micros = self._parsed("clock", frame[clock], self._clock, pl.Int64)
                self._needs_time = True
        if clock is not None and self.layout.ends:
            micros = micros + self.layout.ends * 1_000_000
        return found.with_columns(days.alias("date"), micros.alias("time"))

    def _clock(self, text: str) -> int | None:
        return parse_clock(text, self.layout.clock)

    def _is_moment(self, column: pl.Series) -> bool:
        """Say whether a column of times has the day in front of each."""
        first = column.drop_nulls().head(1).to_list()
        return bool(first) and self.layout.clock is ClockUnit.CLOCK and self._moment(first[0]) is not None

    def _moment(self, text: str) -> Moment | None:
        return parse_moment(text, self._order, self.layout.zone)

    def _moments(self, column: pl.Series) -> tuple[pl.Series, pl.Series]:
        texts, moments = self._meant("moment", column, self._moment)
        days = [None if each is None else each.day for each in moments]
        micros = [None if each is None else each.micros for each in moments]
        return _replaced(column, texts, days, pl.Date), _replaced(column, texts, micros, pl.Int64)

    def _parsed(self, what: str, column: pl.Series, parse: Parse, dtype: Any) -> pl.Series:
        """Return what the texts of a column mean."""
        return _replaced(column, *self._meant(what, column, parse), dtype)

    def _meant(self, what: str, column: pl.Series, parse: Parse) -> tuple[list[str], list[Any]]:
        """Return the different texts of a column, and what each means; it is parsed once a file."""
        known = self._known.setdefault((what, column.name), {})
        texts: list[str] = column.unique().drop_nulls().to_list()
        for text in texts:
            if text not in known:
                known[text] = parse(text)
        return texts, [known[text] for text in texts]

    # --- Which option

    def _with_contracts(self, found: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with symbol, class, expiry, right and strike, by their columns or the contract's name."""
        contract = self._columns.get("contract")
        named = {} if contract is None else self._names(frame[contract])
        parsers: tuple[tuple[str, Parse, Any], ...] = (
            ("expiry", self._expiry, pl.Date),
            ("right", parse_right, pl.String),
        )
        for ours, parse, kind in parsers:
            if (column := self._columns.get(ours)) is not None:
                found = found.with_columns(self._parsed(ours, frame[column], parse, kind).alias(ours))
            elif ours in named:
                found = found.with_columns(named[ours].alias(ours))
        if self._columns.get("strike") is not None:
            found = found.with_columns(self._numbers(frame, self._columns, ("strike",)))
        elif named:
            found = found.with_columns(named["strike"].alias("strike"))
        found = found.with_columns(*self._classes(frame, named))
        if not named:
            return found
        apart = (
            (found["right"] != named["right"])
            | ((found["strike"] - named["strike"]).abs() > _SAME_STRIKE)
            | ((found["expiry"] - named["expiry"]).dt.total_days().abs() > _DAYS_APART)
        )
        return found.with_columns(apart.fill_null(value=False).alias(_APART))

    def _expiry(self, text: str) -> Any:
        day = parse_date(text, self._order)
        return day if day is not None else getattr(self._moment(text), "day", None)

    def _names(self, column: pl.Series) -> dict[str, pl.Series]:
        """Return what the names of contracts say, by our columns."""
        texts, names = self._meant("contract", column, parse_contract)
        parts = zip(*(each or _NO_NAME for each in names), strict=True) if names else [()] * len(_OF_NAME)
        return {
            ours: _replaced(column, texts, list(values), kind)
            for (ours, kind), values in zip(_OF_NAME.items(), parts, strict=True)
        }

    def _classes(self, frame: pl.DataFrame, named: Mapping[str, pl.Series]) -> tuple[pl.Series, pl.Series]:
        """Return the underlying and the trading class of each row."""
        of_symbol, of_class = self._columns.get("symbol"), self._columns.get("trading_class")
        if of_class is not None:
            root = self._parsed("class", frame[of_class], parse_class, pl.String)
        elif named:
            root = named["root"]
        else:
            root = None
        if of_symbol is not None:
            symbol = self._parsed("symbol", frame[of_symbol], parse_symbol, pl.String)
        elif self._symbol or root is None:
            symbol = pl.Series([self._symbol] * len(frame), dtype=pl.String)
        else:
            symbol = self._parsed("underlying", root.alias("root"), parse_symbol, pl.String)
        if self.layout.trading_class:
            root = pl.Series([self.layout.trading_class] * len(frame), dtype=pl.String)
        elif root is None and of_symbol is not None and self._names_classes(frame[of_symbol]):
            root = self._parsed("class", frame[of_symbol], parse_class, pl.String)
        elif root is None:
            root = self._parsed("default class", symbol.alias("symbol"), _default_class, pl.String)
        return symbol.set(symbol == "", None).alias("symbol"), root.set(root == "", None).alias("root")

    @staticmethod
    def _names_classes(symbols: pl.Series) -> bool:
        """Say whether a column of underlyings names classes as well: SPXW."""
        return any(parse_class(text) != parse_symbol(text) for text in symbols.unique().drop_nulls().to_list())

    # --- Numbers

    def _levels(self, frame: pl.DataFrame) -> list[pl.Series]:
        """Return the level of the underlying: of its columns the first that has one; 0 is none."""
        names = [each for each in self.layout.columns.get("underlying", ()) if each in self._header]
        found = [*(self._number(frame, each, "underlying") for each in names), *self._middle(frame, "underlying")]
        if not found:
            return []
        columns = pl.DataFrame([each.set(each <= 0, None).alias(str(at)) for at, each in enumerate(found)])
        return [columns.select(pl.coalesce(pl.all())).to_series().alias("underlying")]

    def _middle(self, frame: pl.DataFrame, ours: str) -> list[pl.Series]:
        """Return the middle of the two columns that the layout names for ours, nothing where there are none."""
        one, other = self.layout.middle_of.get(ours, ("", ""))
        if not {one, other} <= self._header:
            return []
        return [(self._number(frame, one, ours) + self._number(frame, other, ours)) / 2.0]

    def _numbers(self, frame: pl.DataFrame, own: Mapping[str, str], names: Sequence[str]) -> list[pl.Series]:
        found = []
        for ours in names:
            if (column := own.get(ours)) is not None:
                found.append(self._number(frame, column, ours).alias(ours))
            elif own is self._columns:
                found += [each.alias(ours) for each in self._middle(frame, ours)]
        return found

    def _number(self, frame: pl.DataFrame, column: str, ours: str) -> pl.Series:
        texts = frame[column]
        values = None if self.layout.has_decimal_comma else texts.cast(pl.Float64, strict=False)
        if values is None or (values.is_null() & texts.is_not_null()).any():
            cleaned = plain_numbers(texts, self.layout)
            values = cleaned.cast(pl.Float64, strict=False)
            odd = values.is_null() & texts.is_not_null() & ~cleaned.str.to_lowercase().is_in(list(NOTHING))
            if odd.any():
                tally = self._odd.get(column, _Tally([], 0, str(texts.filter(odd)[0])))
                self._odd[column] = tally.with_more(frame[ROW].filter(odd))
        if self.layout.unknown:
            values = values.set(values.is_in(list(self.layout.unknown)), None)
        values = values * self.layout.scale.get(ours, 1.0)
        return values.set(values.abs() >= _UNSET, None)


def _replaced(column: pl.Series, texts: list[str], values: list[Any], dtype: Any) -> pl.Series:
    """Return a column with the value of each text in its place; null where there is none."""
    return column.replace_strict(texts, pl.Series(values, dtype=dtype), default=None, return_dtype=dtype)


def plain_numbers(texts: pl.Series, layout: Layout) -> pl.Series:
    """Return numbers as they are written here: without signs of money and percent, and commas between thousands."""
    if layout.has_decimal_comma:
        texts = texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return texts.str.strip_chars(' $%"').str.replace_all(",", "")


def order_of(file: str, row: int, columns: Iterable[pl.Series]) -> DateOrder | None:
    """Return which part of the days in some columns is the month, None where no day needs it.

    Raises: StoreError naming file and row where nothing shows it, or days contradict each other.
    """
    texts = sorted({text for column in columns for text in column.unique().drop_nulls().to_list() if needs_order(text)})
    shown = date_order(texts)
    if not texts or len(shown) == 1:
        return next(iter(shown), None)
    wrong = "some days have the month first, others the day"
    if not shown:
        wrong = f"{texts[0]!r} may have the month or the day first"
    raise refusal(refused(file, row, f"{wrong}: write `dates: month first`, or `day first`, in a columns file"))


def columns_of(header: Iterable[str], own: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return what a file calls our columns, of several names the first that it has. own: their names by ours."""
    have = frozenset(header)
    of = {ours: next((each for each in names if each in have), None) for ours, names in own.items()}
    return {ours: name for ours, name in of.items() if name is not None}


def lacking_columns(header: Iterable[str], layout: Layout, symbol: str, day: str) -> list[str]:
    """Return which of our columns a chain needs that nothing of a file holds. symbol, day: those known without one."""
    known = {
        *columns_of(header, layout.columns),
        *layout.middle_of,
        *(("right", *layout.call) if layout.is_wide else ()),
    }
    if "contract" in known:
        known |= {"expiry", "right", "strike", "symbol"}
    if "time" in known or day:
        known.add("date")
    if symbol or layout.symbol or "trading_class" in known:
        known.add("symbol")
    return [ours for ours in (*NEEDED, "symbol") if ours not in known]


def _default_class(symbol: str) -> str:
    return product(symbol).same_day_class
