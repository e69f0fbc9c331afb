"""Column types of the store: money as whole millionths of a dollar, instants as UTC text. SQLite would keep floats."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from rulebot.record.codec import utc_text, utc_time

MICROS = 1_000_000
_STEP = Decimal("0.000001")


def to_step(amount: Decimal) -> Decimal:
    """Return an amount (an average, a broker's commission) on the store's grid of a millionth of a dollar."""
    return amount.quantize(_STEP, rounding=ROUND_HALF_EVEN)


class Money(TypeDecorator[Decimal]):
    """Dollars, or dollars per share, as an integer count of millionths. What does not scale exactly is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Return the count of millionths. Raises: ValueError when there is a rest, or for a float."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise ValueError(f"money is Decimal, was {value!r}")
        scaled = value.scaleb(6)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{value} has a rest below a millionth of a dollar")
        return int(scaled)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
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

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Return text in the order of its characters, whatever the language of a server."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Return UTC text. Raises: CodecError for a time without zone."""
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Return the instant, in UTC."""
        return None if value is None else utc_time(value)
