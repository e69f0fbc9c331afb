"""The views: what a person, the pages and other programs select from.

Dollars as plain numbers, New York dates and times as text. `trades` and its kin carry every column that was asked for
under its asked name; docs/store.md explains each.
"""

from engine.store.types import MICROS


def new_york(column: str) -> str:
    """Return SQL for a UTC text column as New York text: `2026-11-18 09:52:00`.

    Daylight time runs from the second Sunday of March, 07:00 UTC, to the first Sunday of November, 06:00 UTC
    (Energy Policy Act of 2005, in force since 2007). SQLite knows no zones but the machine's own.
    """
    year = f"substr({column}, 1, 4)"
    begin = f"datetime({year} || '-03-01', 'weekday 0', '+7 days', '+7 hours')"
    end = f"datetime({year} || '-11-01', 'weekday 0', '+6 hours')"
    is_summer = f"datetime({column}) >= {begin} AND datetime({column}) < {end}"
    return f"datetime({column}, CASE WHEN {is_summer} THEN '-4 hours' ELSE '-5 hours' END)"


def dollars(column: str) -> str:
    """Return SQL for a money column in dollars."""
    return f"{column} / {MICROS}.0"


def _money(*columns: str) -> str:
    return ", ".join(f"{dollars(column)} AS {column}" for column in columns)


_WHEN_CLOSED = "CASE WHEN status = 'CLOSED' THEN {} END"

_TRADES = f"""
CREATE VIEW trades AS SELECT
  id, bot AS strategy_id, trade_date, symbol, {dollars("strike")} AS strike, expiration, quantity,
  {_money("entry_price")}, {new_york("entry_time")} AS entry_time, {_money("exit_price")},
  {new_york("exit_time")} AS exit_time, exit_reason, exit_name,
  {_WHEN_CLOSED.format(dollars("cash"))} AS realized_pnl,
  {dollars("(exit_price - expected_exit_price)")} AS slippage,
  {_money("expected_exit_price", "entry_mid")},
  status,
  {_money("spy_price", "spx_price", "spy_strike", "spx_strike")},
  {_money("spy_entry_bid", "spy_entry_ask", "spx_entry_bid", "spx_entry_ask")},
  {dollars("entry_cash")} AS entry_credit, is_filled AS entry_filled,
  {_money("spy_exit_price", "spx_exit_price")},
  CASE WHEN status = 'CLOSED' THEN 0 - {dollars("exit_cash")} END AS exit_cost,
  {_WHEN_CLOSED.format(dollars("(cash - commissions)"))} AS final_pnl,
  {_money("commissions", "max_risk")}, position, state, digest, legs
FROM trade_rows WHERE status <> 'NONE'
"""

_ORDERS = f"""
CREATE VIEW orders AS SELECT
  number AS id, ref, bot AS strategy_id, position, order_id AS ibkr_order_id, perm_id AS ibkr_perm_id,
  con_id AS ibkr_con_id, parent_order_id, action,
  CASE purpose WHEN 'entry' THEN 'PARENT' WHEN 'target' THEN 'TAKE_PROFIT' WHEN 'stop' THEN 'STOP_LOSS' END
    AS bracket_type,
  CASE WHEN state IN ('prepared', 'sending', 'unknown') THEN 'PENDING'
       WHEN state IN ('working', 'cancelling') THEN 'SUBMITTED'
       WHEN state = 'filled' THEN 'FILLED' ELSE 'CANCELLED' END AS status,
  {_money("fill_price")}, {new_york("fill_time")} AS fill_time, quantity, filled,
  CASE WHEN algo_priority IS NULL THEN NULL ELSE 'Adaptive' END AS algo_strategy, algo_priority,
  kind AS order_type, {_money("limit_price", "stop_price", "mid")}, purpose, reason, state, message, attempt,
  oca_group, {new_york("prepared_at")} AS prepared_at, {new_york("changed_at")} AS changed_at, legs
FROM order_rows
"""

_FILLS = f"""
CREATE VIEW fills AS SELECT
  exec_id, ref, bot AS strategy_id, position, leg, contract, con_id, purpose, action,
  CAST(quantity AS REAL) AS quantity, {_money("price", "commission")},
  {new_york("executed_at")} AS executed_at
FROM fill_rows
"""

_SNAPSHOTS = f"""
CREATE VIEW position_snapshots AS SELECT
  s.seq AS id, t.id AS trade_id, s.position, s.bot AS strategy_id, {new_york("s.at")} AS snapshot_time,
  {dollars("s.bid")} AS current_bid, {dollars("s.ask")} AS current_ask, {dollars("s.mid")} AS current_mid,
  {dollars("s.spot")} AS underlying_price, delta, gamma, theta, vega, iv, {dollars("s.profit")} AS unrealized_pnl
FROM snapshot_rows s LEFT JOIN trade_rows t ON t.position = s.position
"""

_OPEN_POSITIONS = """
CREATE VIEW open_positions AS SELECT
  t.id, t.strategy_id, t.symbol, t.strike, t.expiration, t.quantity, t.entry_price, t.entry_time, t.state, t.position,
  s.snapshot_time, s.current_bid, s.current_ask, s.current_mid, s.underlying_price,
  s.delta, s.gamma, s.theta, s.vega, s.iv, s.unrealized_pnl, t.commissions, t.max_risk, t.legs
FROM trades t LEFT JOIN position_snapshots s ON s.id =
  (SELECT max(seq) FROM snapshot_rows WHERE snapshot_rows.position = t.position AND profit IS NOT NULL)
WHERE t.status = 'OPEN'
"""

_RISK = """
CREATE VIEW risk_metrics AS SELECT
  count(*) AS open_positions, sum(max_risk * quantity) AS max_loss,
  sum(CASE WHEN max_risk IS NULL THEN 1 ELSE 0 END) AS undefined_risk,
  sum(delta * quantity * 100) AS total_delta, sum(theta * quantity * 100) AS total_theta,
  sum(gamma * quantity * 100) AS total_gamma, sum(vega * quantity * 100) AS total_vega,
  sum(unrealized_pnl) AS unrealized_pnl
FROM open_positions
"""

_PENDING = "CREATE VIEW pending_orders AS SELECT * FROM orders WHERE status IN ('PENDING', 'SUBMITTED')"


def _running(group: str) -> str:
    """Return SQL for closed trades with the worst fall from a peak so far, per group, in order of their end."""
    order = "ORDER BY exit_time, id"
    return f"""
closed AS (SELECT *, {group} AS grouped, cash - commissions AS net FROM trade_rows WHERE status = 'CLOSED'),
run AS (SELECT *, sum(net) OVER (PARTITION BY grouped {order}) AS total FROM closed),
peak AS (SELECT *, max(0, max(total) OVER (PARTITION BY grouped {order})) - total AS fall FROM run)
"""


_STATISTICS = f"""
  count(*) AS total_trades, sum(net > 0) AS wins, sum(net < 0) AS losses,
  1.0 * sum(net > 0) / count(*) AS win_rate, {dollars("sum(cash)")} AS gross_pnl,
  {dollars("sum(commissions)")} AS total_commission, {dollars("sum(net)")} AS net_pnl,
  {dollars("sum(net)")} / count(*) AS avg_pnl, {dollars("max(0, max(net))")} AS max_win,
  {dollars("min(0, min(net))")} AS max_loss, {dollars("max(fall)")} AS max_drawdown
"""

_STRATEGY_SUMMARY = f"""
CREATE VIEW strategy_summary AS WITH {_running("bot")}
SELECT grouped AS strategy_id, {_STATISTICS} FROM peak GROUP BY grouped
"""

_ACCOUNT_SUMMARY = f"""
CREATE VIEW account_summary AS WITH {_running("''")}
SELECT {_STATISTICS} FROM peak GROUP BY grouped
"""

_DAILY_SUMMARY = f"""
CREATE VIEW daily_summary AS WITH {_running(f"date({new_york('exit_time')})")}
SELECT grouped AS date, count(*) AS trades_count, sum(net > 0) AS winning_trades, sum(net < 0) AS losing_trades,
  {dollars("sum(cash)")} AS total_pnl, {dollars("sum(commissions)")} AS total_commissions,
  {dollars("sum(net)")} AS net_pnl, {dollars("max(fall)")} AS max_drawdown
FROM peak GROUP BY grouped
"""

_BOT_DAYS = f"""
CREATE VIEW bot_days AS SELECT
  bot AS strategy_id, date, entries, opened, agains, last_end, decided, halted, skipped, {_money("realized")}
FROM bot_day_rows
"""

_SYSTEM_STATE = f"""
CREATE VIEW system_state AS WITH
now AS (SELECT at, date({new_york("at")}) AS today FROM journal WHERE seq = (SELECT max(seq) FROM journal)),
run AS (SELECT max(seq) AS seq FROM journal WHERE kind IN ('run_started', 'run_ended')),
asked AS (SELECT json_extract(data, '$.request') AS request FROM journal
  WHERE kind = 'operator' AND bot = '' AND seq > (SELECT seq FROM run) ORDER BY seq DESC LIMIT 1)
SELECT {new_york("now.at")} AS last_updated,
  (SELECT kind = 'run_started' FROM journal WHERE seq = (SELECT seq FROM run))
    AND coalesce((SELECT request = 'resume' FROM asked), 1) AS is_trading,
  (SELECT count(*) FROM trade_rows WHERE status = 'OPEN') AS open_positions,
  coalesce((SELECT net_pnl FROM daily_summary WHERE date = now.today), 0.0) AS daily_pnl,
  (SELECT count(*) FROM trades WHERE date(entry_time) = now.today) AS trades_today,
  (SELECT count(*) FROM journal WHERE kind = 'alarm' AND date({new_york("at")}) = now.today) AS errors_today
FROM now
"""

VIEWS = (
    _TRADES,
    _ORDERS,
    _FILLS,
    _SNAPSHOTS,
    _OPEN_POSITIONS,
    _RISK,
    _PENDING,
    _STRATEGY_SUMMARY,
    _ACCOUNT_SUMMARY,
    _DAILY_SUMMARY,
    _BOT_DAYS,
    _SYSTEM_STATE,
)
