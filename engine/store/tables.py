"""The tables as they are on disk. People and other programs read the views of `views.py`, in dollars and local time.

`journal` is the truth; every other table is a projection that `rebuild` makes again from it, but for `lease`, which
says who may write (`lease.py`). Names, columns and units are explained in docs/store.md.
"""

from sqlalchemy import Column, Date, Float, Index, Integer, MetaData, Table, Text

from engine.store.types import Money, UtcText

SCHEMA_VERSION = 1
APPLICATION_ID = 0x52424F54
"""`RBOT`, in the header of the file: how a store is told from any other SQLite database."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

lease = Table(
    "lease",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
Index("journal_kind", journal.c.kind, journal.c.bot, journal.c.at)
Index("journal_position", journal.c.position, journal.c.kind, sqlite_where=journal.c.position != "")

order_rows = Table(
    "order_rows",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("bot", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("order_id", Integer),
    Column("perm_id", Integer),
    Column("con_id", Integer),
    Column("parent_order_id", Integer),
    Column("action", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("filled", Integer, nullable=False),
    Column("limit_price", Money),
    Column("stop_price", Money),
    Column("mid", Money),
    Column("fill_price", Money),
    Column("fill_time", UtcText),
    Column("algo_priority", Text),
    Column("attempt", Integer, nullable=False),
    Column("oca_group", Text, nullable=False),
    Column("prepared_at", UtcText, nullable=False),
    Column("changed_at", UtcText, nullable=False),
    Column("legs", Text, nullable=False),
    Column("message", Text, nullable=False),
)
Index("order_position", order_rows.c.position)

fill_rows = Table(
    "fill_rows",
    metadata,
    Column("execution", Text, primary_key=True),
    Column("exec_id", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("leg", Text, nullable=False),
    Column("contract", Text, nullable=False),
    Column("con_id", Integer),
    Column("purpose", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("price", Money, nullable=False),
    Column("commission", Money),
    Column("executed_at", UtcText, nullable=False),
)
Index("fill_ref", fill_rows.c.ref)

trade_rows = Table(
    "trade_rows",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", Text, nullable=False, unique=True),
    Column("bot", Text, nullable=False),
    Column("trade_date", Date, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("strike", Money),
    Column("expiration", Date),
    Column("quantity", Integer, nullable=False),
    Column("entry_price", Money),
    Column("entry_mid", Money),
    Column("entry_time", UtcText),
    Column("exit_price", Money),
    Column("expected_exit_price", Money),
    Column("exit_time", UtcText),
    Column("exit_reason", Text),
    Column("exit_name", Text),
    Column("cash", Money, nullable=False),
    Column("entry_cash", Money),
    Column("exit_cash", Money),
    Column("commissions", Money, nullable=False),
    Column("max_risk", Money),
    Column("state", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_filled", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("legs", Text, nullable=False),
    *(
        Column(f"{symbol}_{what}", Money)
        for symbol in ("spy", "spx")
        for what in ("price", "strike", "entry_bid", "entry_ask", "exit_price")
    ),
)

snapshot_rows = Table(
    "snapshot_rows",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", UtcText, nullable=False),
    Column("bot", Text, nullable=False),
    Column("position", Text, nullable=False),
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
    Column("bot", Text, primary_key=True),
    Column("date", Date, primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("agains", Integer, nullable=False),
    Column("last_end", Text, nullable=False),
    Column("decided", Text, nullable=False),
    Column("halted", Text, nullable=False),
    Column("skipped", Text, nullable=False),
    Column("realized", Money, nullable=False),
)

PROJECTIONS = (order_rows, fill_rows, trade_rows, snapshot_rows, bot_day_rows)

TRIGGERS = (
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_no_gap BEFORE INSERT ON journal "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal) "
    "BEGIN SELECT RAISE(ABORT, 'the journal has no gaps'); END",
)
