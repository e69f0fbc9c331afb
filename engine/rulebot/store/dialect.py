"""What SQLite and PostgreSQL say differently, in one place: words of SQL, locks inside a transaction, durability.

The rest of the store is the same for both, and so are the journal's text, numbers and hashes.
"""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Text
from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from rulebot.model.values import dataclass
from rulebot.record.codec import utc_text, utc_time

# --- Column types of the store

MICROS = 1_000_000
_STEP = Decimal("0.000001")


def to_step(amount: Decimal) -> Decimal:
    """Return an amount (an average, a broker's commission) on the store's grid of a millionth of a dollar."""
    return amount.quantize(_STEP, rounding=ROUND_HALF_EVEN)


class Money(TypeDecorator[Decimal]):
    """Dollars, or dollars per share, as an integer count of millionths. What does not scale exactly is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: SqlDialect) -> int | None:
        """Return the count of millionths. Raises: ValueError when there is a rest, or for a float."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise ValueError(f"money is Decimal, was {value!r}")
        scaled = value.scaleb(6)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{value} has a rest below a millionth of a dollar")
        return int(scaled)

    def process_result_value(self, value: int | None, dialect: SqlDialect) -> Decimal | None:
        """Return dollars with at least cents: 0.85, 5.0712."""
        if value is None:
            return None
        amount = Decimal(value).scaleb(-6).normalize()
        exponent = amount.as_tuple().exponent
        return amount if isinstance(exponent, int) and exponent <= -2 else amount.quantize(Decimal("0.01"))


class UtcText(TypeDecorator[datetime]):
    """An aware instant as text of one width, so that its order is the order of time."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: SqlDialect) -> TypeEngine[str]:
        """Return text ordered by code points, independent of the server's locale."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: datetime | None, dialect: SqlDialect) -> str | None:
        """Return UTC text. Raises: CodecError for a time without zone."""
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: SqlDialect) -> datetime | None:
        """Return the instant, in UTC."""
        return None if value is None else utc_time(value)


# --- What SQLite and PostgreSQL say differently, in one place

WHOLE = BigInteger().with_variant(Integer, "sqlite")
"""A whole number: 64 bits wide on both; only INTEGER is that, and a row's own number, on SQLite."""
WORDS = Text().with_variant(Text(collation="C"), "postgresql")
"""Text ordered by code points, independent of the server's locale."""

_COLUMNS = "INSERT INTO journal (seq, at, kind, bot, position, data, hash) VALUES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The SQL of one database for the store's needs.

    insert: writes rows of the journal. durable, soon: what a commit waits for from then on. hold_lease: suffix of the
    query of the lease, which blocks other takers of it until the end of the transaction. append_only: triggers of the
    journal.
    """

    insert: str
    durable: str
    soon: str
    hold_lease: str
    append_only: tuple[str, ...]
    is_server: bool

    def new_york(self, column: str) -> str:
        """Return SQL for a UTC text column as New York text: `2026-11-18 09:52:00`.

        Daylight time runs from the second Sunday of March, 07:00 UTC, to the first Sunday of November, 06:00 UTC
        (Energy Policy Act of 2005, in force since 2007). SQLite knows no zones but the machine's own.
        """
        if self.is_server:
            rounded = f"date_trunc('second', {column}::timestamptz + interval '0.0005 s')"
            return f"""to_char({rounded} AT TIME ZONE 'America/New_York', 'YYYY-MM-DD HH24:MI:SS') COLLATE "C\""""
        year = f"substr({column}, 1, 4)"
        begin = f"datetime({year} || '-03-01', 'weekday 0', '+7 days', '+7 hours')"
        end = f"datetime({year} || '-11-01', 'weekday 0', '+6 hours')"
        is_summer = f"datetime({column}) >= {begin} AND datetime({column}) < {end}"
        return f"datetime({column}, CASE WHEN {is_summer} THEN '-4 hours' ELSE '-5 hours' END)"

    def day(self, text: str) -> str:
        """Return SQL for the date in a New York text."""
        return f"substr({text}, 1, 10)" if self.is_server else f"date({text})"

    def date(self, column: str) -> str:
        """Return SQL for a column of dates as text."""
        return f"to_char({column}, 'YYYY-MM-DD')" if self.is_server else column

    def real(self, value: str) -> str:
        """Return SQL for a number as a plain one."""
        return f"({value})::double precision" if self.is_server else f"CAST({value} AS REAL)"

    def dollars(self, column: str) -> str:
        """Return SQL for a money column in dollars."""
        return f"{self.real(column)} / {self.real(str(MICROS))}" if self.is_server else f"{column} / {MICROS}.0"

    def flag(self, condition: str) -> str:
        """Return SQL for a condition as 1, 0 or null."""
        return f"({condition})::int" if self.is_server else condition

    def count(self, condition: str) -> str:
        """Return SQL for how many rows of a group meet a condition that is never null."""
        return f"sum({self.flag(condition)})"

    def most(self, *values: str) -> str:
        """Return SQL for the greatest of some values."""
        return f"{'greatest' if self.is_server else 'max'}({', '.join(values)})"

    def least(self, *values: str) -> str:
        """Return SQL for the least of some values."""
        return f"{'least' if self.is_server else 'min'}({', '.join(values)})"

    def member(self, column: str, name: str) -> str:
        """Return SQL for a text in a JSON object."""
        return f"({column}::json ->> '{name}')" if self.is_server else f"json_extract({column}, '$.{name}')"

    def items(self, column: str) -> str:
        """Return SQL for a table of the items of a JSON list: each is its `value`."""
        return f"json_array_elements({column}::json)" if self.is_server else f"json_each({column})"


SQLITE = Dialect(
    insert=f"{_COLUMNS} (?, ?, ?, ?, ?, ?, ?)",
    durable="PRAGMA synchronous=full",
    soon="PRAGMA synchronous=normal",
    hold_lease="",
    append_only=(
        "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal "
        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
        "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal "
        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
        "CREATE TRIGGER journal_no_gap BEFORE INSERT ON journal "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal) "
        "BEGIN SELECT RAISE(ABORT, 'the journal has no gaps'); END",
    ),
    is_server=False,
)
POSTGRES = Dialect(
    insert=f"{_COLUMNS} (%s, %s, %s, %s, %s, %s, %s)",
    durable="SET synchronous_commit TO on",
    soon="SET synchronous_commit TO off",
    hold_lease=" FOR SHARE",
    append_only=(
        "CREATE FUNCTION journal_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE FUNCTION journal_follows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM journal) THEN "
        "RAISE EXCEPTION 'the journal has no gaps' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()",
        "CREATE TRIGGER journal_no_delete BEFORE DELETE OR TRUNCATE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()",
        "CREATE TRIGGER journal_no_gap BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION journal_follows()",
    ),
    is_server=True,
)


def dialect_of(connection: Connection) -> Dialect:
    """Return the words of the database behind a connection."""
    return POSTGRES if connection.dialect.name == "postgresql" else SQLITE


class members(FunctionElement[int]):
    """`members(column)`: how many items a JSON list in a text column has."""

    type = Integer()
    inherit_cache = True


class place_in(FunctionElement[int]):
    """`place_in(column, part)`: where a text has a part, from 1 on; 0 when it has not."""

    type = Integer()
    inherit_cache = True


@compiles(members)
def _members(element: Any, compiler: Any, **more: Any) -> str:
    return f"json_array_length({compiler.process(element.clauses, **more)})"


@compiles(members, "postgresql")
def _members_of_server(element: Any, compiler: Any, **more: Any) -> str:
    return f"json_array_length(({compiler.process(element.clauses, **more)})::json)"


@compiles(place_in)
def _place_in(element: Any, compiler: Any, **more: Any) -> str:
    return f"instr({compiler.process(element.clauses, **more)})"


@compiles(place_in, "postgresql")
def _place_in_on_server(element: Any, compiler: Any, **more: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **more)})"
