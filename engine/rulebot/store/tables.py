"""The tables as they are on disk. People and other programs read the views of `views.py`, in dollars and local time.

`journal` is the truth; every other table is a projection that `rebuild` makes again from it, but for `lease`, which
says who may write (`lease.py`). Names, columns and units are explained in docs/store.md.
"""

from sqlalchemy import Column, ColumnElement, Date, Float, Index, MetaData, Table

from rulebot.store.dialect import WHOLE, WORDS
from rulebot.store.types import Money, UtcText

SCHEMA_VERSION = 4
"""2: why an order was taken back has columns of its own. 3: trades have what their target promised and kept."""
APPLICATION_ID = 0x52424F54
"""`RBOT`, in the header of the file: how a store is told from any other SQLite database."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", WHOLE, primary_key=True))

lease = Table(
    "lease",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("epoch", WHOLE, nullable=False),
    Column("owner", WORDS, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", WHOLE, primary_key=True),
    Column("at", WORDS, nullable=False),
    Column("kind", WORDS, nullable=False),
    Column("bot", WORDS, nullable=False),
    Column("position", WORDS, nullable=False),
    Column("data", WORDS, nullable=False),
    Column("hash", WORDS, nullable=False),
)
Index("journal_kind", journal.c.kind, journal.c.bot, journal.c.at)
OF_ONE = journal.c.position != ""
journal_position = Index("journal_position", journal.c.position, journal.c.kind, sqlite_where=OF_ONE)
"""On a server, too, of `OF_ONE` alone: `schema.py` says so, since who says it here imports the dialect of servers."""


def of_position(position: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return what finds the records of a position by their index; without `OF_ONE` SQLite reads all of their kinds."""
    return OF_ONE, journal.c.position == position


order_rows = Table(
    "order_rows",
    metadata,
    Column("ref", WORDS, primary_key=True),
    Column("number", WHOLE, nullable=False),
    Column("bot", WORDS, nullable=False),
    Column("position", WORDS, nullable=False),
    Column("order_id", WHOLE),
    Column("perm_id", WHOLE),
    Column("con_id", WHOLE),
    Column("parent_order_id", WHOLE),
    Column("action", WORDS, nullable=False),
    Column("purpose", WORDS, nullable=False),
    Column("reason", WORDS, nullable=False),
    Column("kind", WORDS, nullable=False),
    Column("state", WORDS, nullable=False),
    Column("quantity", WHOLE, nullable=False),
    Column("filled", WHOLE, nullable=False),
    Column("limit_price", Money),
    Column("stop_price", Money),
    Column("mid", Money),
    Column("fill_price", Money),
    Column("fill_time", UtcText),
    Column("algo_priority", WORDS),
    Column("attempt", WHOLE, nullable=False),
    Column("oca_group", WORDS, nullable=False),
    Column("prepared_at", UtcText, nullable=False),
    Column("changed_at", UtcText, nullable=False),
    Column("legs", WORDS, nullable=False),
    Column("message", WORDS, nullable=False),
    Column("cause", WORDS, nullable=False),
    Column("broker_code", WHOLE),
    Column("broker_meaning", WORDS, nullable=False),
)
Index("order_position", order_rows.c.position)

fill_rows = Table(
    "fill_rows",
    metadata,
    Column("execution", WORDS, primary_key=True),
    Column("exec_id", WORDS, nullable=False),
    Column("ref", WORDS, nullable=False),
    Column("bot", WORDS, nullable=False),
    Column("position", WORDS, nullable=False),
    Column("leg", WORDS, nullable=False),
    Column("contract", WORDS, nullable=False),
    Column("con_id", WHOLE),
    Column("purpose", WORDS, nullable=False),
    Column("action", WORDS, nullable=False),
    Column("quantity", WORDS, nullable=False),
    Column("price", Money, nullable=False),
    Column("commission", Money),
    Column("executed_at", UtcText, nullable=False),
)
Index("fill_ref", fill_rows.c.ref)

KEPT = ("target_share", "kept_share", "target_dollars", "kept_dollars", "exit_slippage")
"""Columns of what a target promised and kept, and of the slippage of the exit (`model/kept.py`)."""

trade_rows = Table(
    "trade_rows",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("position", WORDS, nullable=False, unique=True),
    Column("bot", WORDS, nullable=False),
    Column("trade_date", Date, nullable=False),
    Column("symbol", WORDS, nullable=False),
    Column("strike", Money),
    Column("expiration", Date),
    Column("quantity", WHOLE, nullable=False),
    Column("entry_price", Money),
    Column("entry_mid", Money),
    Column("entry_time", UtcText),
    Column("exit_price", Money),
    Column("expected_exit_price", Money),
    Column("exit_time", UtcText),
    Column("exit_reason", WORDS),
    Column("exit_name", WORDS),
    *(
        Column(name, Money)
        for name in ("target_share", "kept_share", "target_dollars", "kept_dollars", "exit_slippage")
    ),
    Column("cash", Money, nullable=False),
    Column("entry_cash", Money),
    Column("exit_cash", Money),
    Column("commissions", Money, nullable=False),
    Column("max_risk", Money),
    Column("max_loss", Money),
    Column("state", WORDS, nullable=False),
    Column("status", WORDS, nullable=False),
    Column("is_filled", WHOLE, nullable=False),
    Column("digest", WORDS, nullable=False),
    Column("legs", WORDS, nullable=False),
    *(
        Column(f"{symbol}_{what}", Money)
        for symbol in ("spy", "spx")
        for what in ("price", "strike", "entry_bid", "entry_ask", "exit_price")
    ),
)

snapshot_rows = Table(
    "snapshot_rows",
    metadata,
    Column("seq", WHOLE, primary_key=True),
    Column("at", UtcText, nullable=False),
    Column("bot", WORDS, nullable=False),
    Column("position", WORDS, nullable=False),
    Column("bid", Money),
    Column("ask", Money),
    Column("mid", Money),
    Column("spot", Money),
    *(Column(name, Float) for name in ("delta", "gamma", "theta", "vega", "iv")),
    Column("profit", Money),
)
Index("snapshot_position", snapshot_rows.c.position, snapshot_rows.c.seq)

bot_day_rows = Table(
    "bot_day_rows",
    metadata,
    Column("bot", WORDS, primary_key=True),
    Column("date", Date, primary_key=True),
    Column("entries", WHOLE, nullable=False),
    Column("opened", WHOLE, nullable=False),
    Column("agains", WHOLE, nullable=False),
    Column("last_end", WORDS, nullable=False),
    Column("decided", WORDS, nullable=False),
    Column("halt", WORDS),
    Column("halted", WORDS, nullable=False),
    Column("skip", WORDS),
    Column("skipped", WORDS, nullable=False),
    Column("realized", Money, nullable=False),
)

PROJECTIONS = (order_rows, fill_rows, trade_rows, snapshot_rows, bot_day_rows)
