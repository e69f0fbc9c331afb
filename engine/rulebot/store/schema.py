"""The views: what a person, the pages and other programs select from.

Dollars as plain numbers, New York dates and times as text. `trades` and its kin carry every column that was asked for
under its asked name; docs/store.md explains each.
"""

import hashlib
import json
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Float,
    Index,
    MetaData,
    Table,
    create_mock_engine,
    func,
    select,
)

from rulebot.model.cause import Cause
from rulebot.model.errors import StoreError
from rulebot.model.values import dataclass
from rulebot.record.codec import json_text
from rulebot.store.dialect import WHOLE, WORDS, Dialect, Money, UtcText, dialect_of
from rulebot.store.failures import RESTORE
from rulebot.store.place import Place

# --- The tables as they are on disk

SCHEMA_VERSION = 6
"""5: what the broker said of an order is recorded by its meaning, and not by the codes of TWS. 6: records and columns
have the names of the glossary."""
APPLICATION_ID = 0x52424F54
"""`RBOT`, in the header of the file, identifies a store among SQLite databases."""

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
    Column("group_filled", WHOLE, nullable=False),
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
"""Columns of what a target promised and kept, and of the slippage of the exit (`model/position.py`)."""

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
    *(Column(name, Money) for name in KEPT),
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
    Column("reentries", WHOLE, nullable=False),
    Column("last_end", WORDS, nullable=False),
    Column("decided", WORDS, nullable=False),
    Column("halt", WORDS),
    Column("halted", WORDS, nullable=False),
    Column("skip", WORDS),
    Column("skipped", WORDS, nullable=False),
    Column("realized", Money, nullable=False),
)

PROJECTIONS = (order_rows, fill_rows, trade_rows, snapshot_rows, bot_day_rows)


# --- The views

_LATE = ", ".join(f"'{cause.value}'" for cause in (Cause.TRIES_USED_UP, Cause.MARKET_FOLLOWS, Cause.NEXT_TRY))
"""Causes of an order whose time was up, as SQL."""


def _open_positions(sql: Dialect) -> str:
    return f"""
CREATE VIEW open_positions AS SELECT
  t.id, t.strategy_id, t.symbol, t.strike, t.expiration, t.quantity, t.entry_price, t.entry_time, t.state, t.position,
  s.snapshot_time, s.current_bid, s.current_ask, s.current_mid, s.underlying_price,
  s.delta, s.gamma, s.theta, s.vega, s.iv, s.unrealized_pnl, t.commissions, t.max_risk,
  {sql.dollars("r.max_loss")} AS max_loss, t.legs, s.id AS snapshot_id
FROM trades t JOIN trade_rows r ON r.position = t.position LEFT JOIN position_snapshots s ON s.id =
  (SELECT max(seq) FROM snapshot_rows WHERE snapshot_rows.position = t.position AND profit IS NOT NULL)
WHERE t.status = 'OPEN'
"""


_PENDING = "CREATE VIEW pending_orders AS SELECT * FROM orders WHERE status IN ('PENDING', 'SUBMITTED')"

NAMES = (
    "trades", "orders", "fills", "position_snapshots", "open_positions", "underlying_risk", "risk_metrics",
    "pending_orders", "strategy_summary", "account_summary", "daily_summary", "bot_days", "system_state",
)  # fmt: skip


def views(sql: Dialect) -> tuple[str, ...]:
    """Return the statements that make all views, in an order in which they can be made."""
    return (
        _trades(sql),
        _orders(sql),
        _fills(sql),
        _snapshots(sql),
        _open_positions(sql),
        _underlying_risk(sql),
        _risk(sql),
        _PENDING,
        _strategy_summary(sql),
        _account_summary(sql),
        _daily_summary(sql),
        _bot_days(sql),
        _system_state(sql),
    )


def _money(sql: Dialect, *columns: str) -> str:
    return ", ".join(f"{sql.dollars(column)} AS {column}" for column in columns)


def _is_priced(sql: Dialect) -> str:
    """Return SQL that is true for a trade without shares that wait for their settlement price."""
    unpriced = sql.real(f"coalesce({sql.member('value', 'unpriced')}, '0')")
    return f"(SELECT max({unpriced}) FROM {sql.items('legs')}) = 0"


def _trades(sql: Dialect) -> str:
    is_closed, is_final = "status = 'CLOSED'", f"status = 'CLOSED' AND {_is_priced(sql)}"
    return f"""
CREATE VIEW trades AS SELECT
  id, bot AS strategy_id, {sql.date("trade_date")} AS trade_date, symbol, {sql.dollars("strike")} AS strike,
  {sql.date("expiration")} AS expiration, quantity,
  {_money(sql, "entry_price")}, {sql.new_york("entry_time")} AS entry_time, {_money(sql, "exit_price")},
  {sql.new_york("exit_time")} AS exit_time, exit_reason, exit_name,
  CASE WHEN {is_final} THEN {sql.dollars("cash")} END AS realized_pnl,
  {sql.dollars("(exit_price - expected_exit_price)")} AS slippage,
  {_money(sql, "expected_exit_price", "entry_mid")},
  status,
  {_money(sql, "spy_price", "spx_price", "spy_strike", "spx_strike")},
  {_money(sql, "spy_entry_bid", "spy_entry_ask", "spx_entry_bid", "spx_entry_ask")},
  {sql.dollars("entry_cash")} AS entry_credit, is_filled AS entry_filled,
  {_money(sql, "spy_exit_price", "spx_exit_price")},
  CASE WHEN {is_closed} THEN 0 - {sql.dollars("exit_cash")} END AS exit_cost,
  CASE WHEN {is_final} THEN {sql.dollars("(cash - commissions)")} END AS final_pnl,
  {_money(sql, *KEPT)},
  {_money(sql, "commissions", "max_risk")}, position, state, digest, legs
FROM trade_rows WHERE status <> 'NONE'
"""


def _orders(sql: Dialect) -> str:
    return f"""
CREATE VIEW orders AS SELECT
  number AS id, ref, bot AS strategy_id, position, order_id AS ibkr_order_id, perm_id AS ibkr_perm_id,
  con_id AS ibkr_con_id, parent_order_id, action,
  CASE purpose WHEN 'entry' THEN 'PARENT' WHEN 'target' THEN 'TAKE_PROFIT' WHEN 'stop' THEN 'STOP_LOSS' END
    AS bracket_type,
  CASE WHEN state IN ('prepared', 'sending', 'unknown') THEN 'PENDING'
       WHEN state IN ('working', 'cancelling') THEN 'SUBMITTED'
       WHEN state = 'filled' THEN 'FILLED' ELSE 'CANCELLED' END AS status,
  {_money(sql, "fill_price")}, {sql.new_york("fill_time")} AS fill_time, quantity, filled,
  CASE WHEN algo_priority IS NULL THEN NULL ELSE 'Adaptive' END AS algo_strategy, algo_priority,
  kind AS order_type, {_money(sql, "limit_price", "stop_price", "mid")}, purpose, reason, state,
  {_cancel_reason()} AS cancel_reason, message, attempt, oca_group,
  {sql.new_york("prepared_at")} AS prepared_at, {sql.new_york("changed_at")} AS changed_at, legs
FROM order_rows
"""


def _cancel_reason() -> str:
    """Return SQL for why an order that is over has not filled whole; null of one that has, or may still fill."""
    partner = "SELECT 1 FROM order_rows AS other WHERE other.position = order_rows.position AND other.state = 'filled'"
    has_partner = f"EXISTS ({partner} AND other.oca_group = order_rows.oca_group AND other.ref <> order_rows.ref)"
    is_reported = "group_filled = 1"
    return f"""CASE WHEN state IN ('rejected', 'risk_rejected') THEN 'REJECTED' WHEN state = 'lost' THEN 'NOT_FOUND'
       WHEN state <> 'cancelled' THEN NULL WHEN cause IN ({_LATE}) THEN 'TIMEOUT'
       WHEN oca_group <> '' AND ({has_partner} OR {is_reported}) THEN 'OCA'
 WHEN cause = '' THEN 'BROKER'
       ELSE 'WITHDRAWN' END"""


def _fills(sql: Dialect) -> str:
    return f"""
CREATE VIEW fills AS SELECT
  exec_id, ref, bot AS strategy_id, position, leg, contract, con_id, purpose, action,
  {sql.real("quantity")} AS quantity, {_money(sql, "price", "commission")},
  {sql.new_york("executed_at")} AS executed_at
FROM fill_rows
"""


def _snapshots(sql: Dialect) -> str:
    return f"""
CREATE VIEW position_snapshots AS SELECT
  s.seq AS id, t.id AS trade_id, s.position, s.bot AS strategy_id, {sql.new_york("s.at")} AS snapshot_time,
  {sql.dollars("s.bid")} AS current_bid, {sql.dollars("s.ask")} AS current_ask, {sql.dollars("s.mid")} AS current_mid,
  {sql.dollars("s.spot")} AS underlying_price, delta, gamma, theta, vega, iv,
  {sql.dollars("s.profit")} AS unrealized_pnl
FROM snapshot_rows s LEFT JOIN trade_rows t ON t.position = s.position
"""


def _still(sql: Dialect) -> str:
    """Return SQL for the structures that are open of the leg that has most left."""
    opened, closed, ratio = (sql.real(sql.member("value", name)) for name in ("opened", "closed", "ratio"))
    return f"(SELECT max(({opened} - {closed}) / {ratio}) FROM {sql.items('legs')})"


def _underlying_risk(sql: Dialect) -> str:
    """Return the view of greeks by underlying; of a position on several each mark has them apart."""
    names = ("delta", "gamma", "theta", "vega")
    apart = ", ".join(f"{sql.real(sql.member('value', name))} AS {name}" for name in names)
    sums = ", ".join(f"sum({name} * still * 100) AS total_{name}" for name in names)
    return f"""
CREATE VIEW underlying_risk AS WITH held AS (SELECT *, {_still(sql)} AS still FROM open_positions),
parts AS (
  SELECT symbol, still, delta, gamma, theta, vega, underlying_price FROM held WHERE replace(symbol, '/', '') = symbol
  UNION ALL
  SELECT {sql.member("value", "symbol")} AS symbol, still, {apart}, {sql.real(sql.member("value", "spot"))}
  FROM held JOIN journal ON journal.seq = held.snapshot_id, {sql.items(sql.member("journal.data", "by_symbol"))}
)
SELECT symbol, {sums}, max(underlying_price) AS underlying_price,
  sum(delta * still * 100 * underlying_price) AS dollar_delta,
  sum(gamma * still * underlying_price * underlying_price) AS dollar_gamma
FROM parts GROUP BY symbol
"""


def _risk(sql: Dialect) -> str:
    """Return the view of risk; of each position counts what the leg has that is open in most structures.

    Deltas and gammas of several underlyings have no unit in common: these are null then, and in dollars instead.
    """
    of_one = (
        "CASE WHEN (SELECT count(*) FROM underlying_risk) < 2 THEN (SELECT sum({0}) FROM underlying_risk) END AS {0}"
    )
    money = ", ".join(
        f"(SELECT sum({name}) FROM underlying_risk) AS {name}" for name in ("dollar_delta", "dollar_gamma")
    )
    return f"""
CREATE VIEW risk_metrics AS SELECT
  count(*) AS open_positions, sum(max_loss) AS max_loss,
  sum(CASE WHEN max_loss IS NULL THEN 1 ELSE 0 END) AS undefined_risk,
  {of_one.format("total_delta")}, sum(theta * still * 100) AS total_theta,
  {of_one.format("total_gamma")}, sum(vega * still * 100) AS total_vega,
  sum(unrealized_pnl) AS unrealized_pnl, {money},
  0 - sum(at_stop) AS max_loss_at_stops, sum(CASE WHEN at_stop IS NULL THEN 1 ELSE 0 END) AS without_stop
FROM (SELECT open_positions.*, {_still(sql)} AS still, {sql.real(sql.member("journal.data", "at_stop"))} AS at_stop
  FROM open_positions LEFT JOIN journal ON journal.seq = open_positions.snapshot_id) AS held
"""


def _running(sql: Dialect, group: str) -> str:
    """Return SQL for closed trades with the worst fall from a peak so far, per group, in order of their end."""
    order = "ORDER BY exit_time, id"
    best = sql.most("0", f"max(total) OVER (PARTITION BY grouped {order})")
    return f"""
closed AS (SELECT *, {group} AS grouped, cash - commissions AS net FROM trade_rows
  WHERE status = 'CLOSED' AND {_is_priced(sql)}),
run AS (SELECT *, sum(net) OVER (PARTITION BY grouped {order}) AS total FROM closed),
peak AS (SELECT *, {best} - total AS fall FROM run)
"""


def _statistics(sql: Dialect) -> str:
    return f"""
  count(*) AS total_trades, {sql.count("net > 0")} AS wins, {sql.count("net < 0")} AS losses,
  {sql.real(sql.count("net > 0"))} / count(*) AS win_rate, {sql.dollars("sum(cash)")} AS gross_pnl,
  {sql.dollars("sum(commissions)")} AS total_commission, {sql.dollars("sum(net)")} AS net_pnl,
  {sql.dollars("sum(net)")} / count(*) AS avg_pnl, {sql.dollars(sql.most("0", "max(net)"))} AS max_win,
  {sql.dollars(sql.least("0", "min(net)"))} AS max_loss, {sql.dollars("max(fall)")} AS max_drawdown
"""


def _strategy_summary(sql: Dialect) -> str:
    return f"""
CREATE VIEW strategy_summary AS WITH {_running(sql, "bot")}
SELECT grouped AS strategy_id, {_statistics(sql)} FROM peak GROUP BY grouped
"""


def _account_summary(sql: Dialect) -> str:
    return f"""
CREATE VIEW account_summary AS WITH {_running(sql, "''")}
SELECT {_statistics(sql)} FROM peak GROUP BY grouped
"""


def _daily_summary(sql: Dialect) -> str:
    return f"""
CREATE VIEW daily_summary AS WITH {_running(sql, sql.day(sql.new_york("exit_time")))}
SELECT CAST(replace(grouped, '-', '') AS INTEGER) AS id, grouped AS date, count(*) AS trades_count,
 {sql.count("net > 0")} AS winning_trades,
  {sql.count("net < 0")} AS losing_trades,
  {sql.dollars("sum(cash)")} AS total_pnl, {sql.dollars("sum(commissions)")} AS total_commissions,
  {sql.dollars("sum(net)")} AS net_pnl, {sql.dollars("max(fall)")} AS max_drawdown
FROM peak GROUP BY grouped
"""


def _bot_days(sql: Dialect) -> str:
    """Return the view of days. One whose entry was not filled says so, with the last word on its order."""
    return f"""
CREATE VIEW bot_days AS WITH
given_up AS (SELECT strategy_id, {sql.day("prepared_at")} AS day, max(id) AS id FROM orders
  WHERE purpose = 'entry' AND status = 'CANCELLED' GROUP BY 1, 2)
SELECT
  d.bot AS strategy_id, {sql.date("d.date")} AS date, entries, opened, reentries, last_end, decided, halt, halted, skip,
  CASE WHEN skipped = '' AND opened = 0 AND o.id IS NOT NULL
    THEN 'not filled' || CASE o.message WHEN '' THEN '' ELSE ': ' || o.message END ELSE skipped END AS skipped,
  {_money(sql, "realized")}
FROM bot_day_rows AS d
LEFT JOIN given_up AS g ON g.strategy_id = d.bot AND g.day = {sql.date("d.date")}
LEFT JOIN orders AS o ON o.id = g.id
"""


def _system_state(sql: Dialect) -> str:
    """Return the view of now. What operators have asked of all bots holds over restarts, a stop for its run alone."""
    today = sql.day(sql.new_york("at"))
    is_trading = """(SELECT kind = 'run_started' FROM journal WHERE seq = (SELECT seq FROM run))
    AND NOT EXISTS (SELECT 1 FROM told WHERE request = 'stop' AND seq > (SELECT seq FROM run))
    AND coalesce((SELECT request = 'resume' FROM told WHERE request IN ('pause', 'kill', 'flatten', 'resume')
      ORDER BY seq DESC LIMIT 1), TRUE)"""
    return f"""
CREATE VIEW system_state AS WITH
now AS (SELECT at, {today} AS today FROM journal WHERE seq = (SELECT max(seq) FROM journal)),
run AS (SELECT max(seq) AS seq FROM journal WHERE kind IN ('run_started', 'run_ended')),
told AS (SELECT seq, {sql.member("data", "request")} AS request FROM journal WHERE kind = 'operator' AND bot = '')
SELECT 1 AS id, {sql.new_york("now.at")} AS last_updated,
  {sql.flag(is_trading)} AS is_trading,
  (SELECT count(*) FROM trade_rows WHERE status = 'OPEN') AS open_positions,
  coalesce((SELECT net_pnl FROM daily_summary WHERE date = now.today), 0.0) AS daily_pnl,
  (SELECT count(*) FROM trades WHERE {sql.day("entry_time")} = now.today) AS trades_today,
  (SELECT count(*) FROM journal WHERE kind = 'alarm' AND {today} = now.today) AS errors_today
FROM now
"""


# --- The hash chain of a journal

FIRST_HASH = "0" * 64
LAST = 50_000
"""How many of the last records a start follows: some ten sessions of all shipped bots, a fifth of a second."""
_FROM = "SELECT seq, at, kind, bot, position, data, hash FROM journal WHERE seq >= {} ORDER BY seq"
NOT_WRITTEN = "its content is not what was written"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first record that is not what was written, and why we know."""

    seq: int
    why: str


def verify(connection: Connection, last: int | None = None) -> ChainBreak | None:
    """Return the first break of the hash chain, of all of it or of its last records; None when it is whole."""
    with connection.begin():
        highest = connection.scalar(select(func.max(journal.c.seq))) or 0
        wanted = 1 if last is None else max(1, highest - last + 1)
        hash_before = FIRST_HASH
        if wanted > 1:
            hash_before = connection.scalar(select(journal.c.hash).where(journal.c.seq == wanted - 1)) or ""
        cursor = connection.connection.cursor()
        try:
            for seq, at, kind, bot, position, data, found in cursor.execute(_FROM.format(wanted)):
                if seq != wanted:
                    return ChainBreak(seq, f"number {wanted} is missing")
                if not is_link(hash_before, (at, kind, bot, position, data), found):
                    return ChainBreak(seq, NOT_WRITTEN)
                hash_before, wanted = found, seq + 1
        finally:
            cursor.close()
    return None


def is_link(before: str, texts: tuple[str, str, str, str, str], found: str) -> bool:
    """Say whether a record as it is stored has this hash. texts: at, kind, bot, position and data."""
    return all(type(each) is str for each in texts) and chained(before, _stored_line(*texts)) == found


def chained(before: str, line: str) -> str:
    """Return the hash of a record: of the hash before it, then its canonical line."""
    return hashlib.sha256(f"{before}{line}".encode()).hexdigest()


def _stored_line(at: str, kind: str, bot: str, position: str, data: str) -> str:
    names = json_text(bot), json_text(position)
    return f'{{"at":"{at}","bot":{names[0]},"data":{data},"kind":"{kind}","position":{names[1]}}}'


# --- What a new store is made of, and which versions of it are known

_TABLES: dict[str, tuple[str, ...]] = {}
"""Statements that make all tables and indexes, by the name of the dialect: a process makes many stores of one kind."""


_NEWER = "use the newer rulebot"
_OLDER = "close its positions with the rulebot that wrote it, then begin a new store (docs/runbook.md, Upgrade)"


def create(connection: Connection) -> None:
    """Make tables, triggers and views, in the transaction that is open."""
    sql = dialect_of(connection)
    for statement in (*_tables(connection), *sql.append_only, *views(sql)):
        connection.exec_driver_sql(statement)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _tables(connection: Connection) -> tuple[str, ...]:
    dialect = connection.dialect
    if dialect.name not in _TABLES:
        found: list[str] = []

        def keep(made: Any, *_: object, **__: object) -> None:
            found.append(str(made.compile(dialect=dialect)))

        if dialect_of(connection).is_server:
            journal_position.dialect_kwargs["postgresql_where"] = OF_ONE
        metadata.create_all(create_mock_engine(f"{dialect.name}://", keep), checkfirst=False)
        _TABLES[dialect.name] = tuple(found)
    return _TABLES[dialect.name]


def check_version(connection: Connection, place: Place) -> None:
    """Raise StoreError for a store of another version, naming the rulebot that wrote it."""
    found = connection.execute(schema_version.select()).scalar()
    if found is None:
        raise StoreError(f"the store {place} has no version, which no rulebot wrote", RESTORE)
    if found != SCHEMA_VERSION:
        known = f"the store {place} has version {found}, this rulebot knows {SCHEMA_VERSION}"
        raise StoreError(f"{known}{_writer(connection)}", _NEWER if found > SCHEMA_VERSION else _OLDER)


def _writer(connection: Connection) -> str:
    """Return which rulebot wrote a store last, "" where no run was started on it."""
    is_start = journal.c.kind == "run_started"
    text = connection.scalar(select(journal.c.data).where(is_start).order_by(journal.c.seq.desc()).limit(1))
    version = json.loads(text).get("version") if text else None
    return f"; rulebot {version} wrote it" if version else ""
