"""A trade as the rows of the store keep it: whether it was opened, and its structure in a few letters.

Like `5920/5930p 6065/6075c`, `547p 2027-02-19`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from rulebot.fill.ledger import BY_OTHERS
from rulebot.model.contract import Option, Right, Strike, structure_text
from rulebot.model.money import CENT, ZERO, cents, signed_dollars
from rulebot.model.order import Purpose, Side
from rulebot.model.position import CLOSED_BY_HAND, CLOSED_ELSEWHERE, ESTIMATED, Position, ProfitKept, kept_of
from rulebot.model.text import clock, counted, price
from rulebot.model.values import dataclass, replace
from rulebot.store.queries import StoreReader

Rows = Iterable[Mapping[str, Any]]
NO_PART = (Purpose.ENTRY, Purpose.UNWIND, Purpose.ROLL)
"""Purposes of orders whose fills close no part of a continuing trade."""
CLOSING = tuple(each.value for each in Purpose if each not in NO_PART)
CASH_SETTLED = "settled"
WITHOUT_ORDER = {
    "EXPIRED_WORTHLESS": "expired worthless",
    "CASH_SETTLED": CASH_SETTLED,
    "ASSIGNED": "assigned",
    "EXERCISED": "exercised",
}
"""How a trade ended that no exit had closed before, by `exit_reason` of its row."""
OTHERS = "others"
"""Used in place of an exit's name for external closes."""


def is_opened(trade: Mapping[str, Any]) -> bool:
    """Say whether the entry of a row of `trades` is over and has filled, wholly or in part."""
    return bool(trade["entry_time"]) and trade["state"] != "entering"


def is_entered(orders: Rows) -> bool:
    """Say whether a trade was entered by its own order, not rolled into. orders: rows of its position."""
    return any(each["purpose"] == Purpose.ENTRY.value for each in orders)


def profit_text(profit: float | None) -> str:
    """Return `+$36.80`: what a closed trade has made; one without a profit was assigned at a price not known yet."""
    return "its shares have no settlement price yet" if profit is None else signed_dollars(profit)


def provisional_text(outstanding: int) -> str:
    """Return that a profit lacks commissions, "" when complete. outstanding: fills without a commission."""
    return (
        f", provisional: the commission of {counted(outstanding, 'fill')} is not reported yet"
        if outstanding > 0
        else ""
    )


def asked_at(orders: Rows) -> str:
    """Return what the last order of an entry asked for: `last at 4.19, try 2; mid 4.21 when it began`, "" of none.

    orders: rows of `orders` of its position, in their order.
    """
    entries = [each for each in orders if each["purpose"] == Purpose.ENTRY.value]
    if not entries:
        return ""
    last = entries[-1]
    limit, mid = last["limit_price"], last["mid"]
    words = "at market" if limit is None else f"last at {price(limit)}"
    words += f", try {last['attempt']}" if last["attempt"] else ""
    return words if mid is None else f"{words}; mid {price(mid)} when it began"


def parts_closed(trade: Mapping[str, Any], orders: Rows, fills: Rows) -> list[dict[str, Any]]:
    """Return what closed a part of a continuing row of `trades`: which exit, or others; count, price, time.

    A price is negative where closing brought money. An external close is of one contract, which is named with it, at
    its price. A rolled part has its legs under `rolled`, and no price: the order's price includes what it opened. A
    single leg of some structures is named under `leg`; legs without partners under `unwound`. orders, fills: rows of
    its position.
    """
    count = len(json.loads(trade["legs"]))
    found = [
        _part_of(each, rolled, count, trade["quantity"])
        for each, rolled in ((each, rolled_part(each, count)) for each in orders if each["fill_time"])
        if (rolled or Purpose(each["purpose"]) not in NO_PART or (_unwound(each) and trade["entry_price"] is not None))
        and (not trade["exit_time"] or each["reason"] != trade["exit_name"])
    ]
    if trade["exit_name"] not in CLOSED_ELSEWHERE:
        found += [_part_of_others(each) for each in fills if each["purpose"] == BY_OTHERS]
    return sorted(found, key=lambda each: str(each["time"]))


def _part_of(order: Mapping[str, Any], rolled: list[str], count: int, of: int) -> dict[str, Any]:
    """Return what a row of `orders` closed. count: legs of the position; of: its structures."""
    return {
        "exit": order["reason"],
        "quantity": order["filled"],
        "price": None if rolled else _cost(order),
        "time": order["fill_time"],
        **({"rolled": rolled} if rolled else _unwound(order) or _alone(order, count, of)),
    }


def _part_of_others(fill: Mapping[str, Any]) -> dict[str, Any]:
    same = {name: fill[name] for name in ("price", "contract", "action")}
    return {"exit": OTHERS, "quantity": int(fill["quantity"]), "time": fill["executed_at"], **same}


def _cost(order: Mapping[str, Any]) -> float | None:
    """Return the price of a row of `orders`, + paid, - received; a sale of one contract has no sign."""
    dealt: float | None = order["fill_price"]
    return -dealt if dealt is not None and order["action"] == Side.SELL.name else dealt


def rolled_part(order: Mapping[str, Any], count: int) -> list[str]:
    """Return the legs of a position that a row of `orders` rolled apart from the others; [] for any other."""
    if order["purpose"] != Purpose.ROLL.value:
        return []
    names = [leg["name"] for leg in json.loads(order["legs"]) if not leg.get("opens")]
    return names if len(names) < count else []


def _alone(order: Mapping[str, Any], count: int, of: int) -> dict[str, str]:
    """Return the one leg that a row of `orders` traded for some of the structures; {} for any other."""
    names = [leg["name"] for leg in json.loads(order.get("legs") or "[]")]
    return {"leg": names[0]} if len(names) == 1 < count and 0 < order["filled"] < of else {}


def _unwound(order: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the legs of a row of `orders` that closed what had no partner; {} of any other."""
    is_unwind = order["purpose"] == Purpose.UNWIND.value
    return {"unwound": [leg["name"] for leg in json.loads(order["legs"])]} if is_unwind else {}


def closing(cost: float, entry: float) -> float:
    """Return a structure's closing and entry price, both without the sign of the trade.

    It is negative where closing goes the other way: a sold structure brings more, a bought one costs again. cost: per
    share, negative when closing brings. entry: what opening brought, negative when it cost.
    """
    return cost if entry >= 0 else -cost


def closing_text(cost: float, entry: float) -> str:
    """Return that price in words: `1.85`, or the other way `a credit of 1.85`, for a bought one `a debit of 0.10`."""
    words = price(cost)
    return words if round(closing(cost, entry), 4) >= 0 else f"a {'credit' if entry >= 0 else 'debit'} of {words}"


def closing_verb(cost: float | None, entry: float) -> str:
    """Return `bought back` when closing cost money, `sold` when it brought some.

    If neither is known, or nothing was paid, the entry decides. cost, entry: as in `closing`.
    """
    brings = -cost if cost else -entry
    return "sold" if brings > 0 else "bought back"


def opened_words(entry: Decimal | float, held: str, mid: Decimal | float | None = None) -> str:
    """Return `sold 5920/5930p 6065/6075c at 0.85 (mid 0.90)`. entry: what opening brought, negative when it cost."""
    beside = "" if mid is None else f" (mid {price(mid)})"
    return f"{'sold' if entry > 0 else 'bought'} {held} at {price(entry)}{beside}"


def ended_text(how: str, cost: float | None, entry: float, *, is_settled: bool = False, in_all: bool = False) -> str:
    """Return `bought back at 0.40`, `expired worthless`, `settled at 5.48`: how a trade ended.

    how: `CLOSED_BY_HAND`, `ESTIMATED`, a value of `WITHOUT_ORDER`, or "" where an order closed it. cost, entry: as
    `closing` has them. is_settled: by hand, it is counted as settled. in_all: parts were closed before.
    """
    total = " in all" if in_all else ""
    at = "" if cost is None else f"{total} at {closing_text(cost, entry)}"
    if how == ESTIMATED:
        return f"closed by hand, estimated{at}"
    if how == CLOSED_BY_HAND:
        return f"closed by hand{', counted as settled' if is_settled else ''}{at}"
    if how:
        return f"{how}{at if how == CASH_SETTLED else ''}"
    return "closed" if cost is None else f"{closing_verb(cost, entry)}{total} at {price(cost)}"


def partial_close_text(filled: int, of: int, cost: float | None, entry: float, leg: str = "") -> str:
    """Return `2 of 4 bought back at 1.65`; a model that fills leg by leg has no price of the whole.

    cost, entry: as in `closing`, of the part and of the whole. leg: the only one traded, such as a wing that had no bid
    when the others closed.
    """
    count = f"{filled} of {of}{leg and f' {leg}'}" if 0 < filled < of else "a part"
    return f"{count} {closing_verb(cost, entry)}" + ("" if cost is None else f" at {price(cost)}")


def rolled_text(legs: Iterable[str], filled: int, of: int) -> str:
    """Return `short_put and long_put rolled`, of a part of the structures `2 of 3 short_put and long_put rolled`."""
    return (f"{filled} of {of} " if 0 < filled < of else "") + f"{' and '.join(legs)} rolled"


def unwound_text(legs: Iterable[str], count: int, cost: float | None) -> str:
    """Return `1 long_put sold at 3.40`: what was closed since it had no partner. cost: as `closing` has it."""
    words = f"{count} {' and '.join(legs)}"
    return f"{words} closed" if cost is None else f"{words} {closing_verb(cost, 0.0)} at {price(cost)}"


def external_close_text(count: int, contract: str, average: float, *, is_sale: bool) -> str:
    """Return `1 SPXW 2026-10-21 5890P sold at 0.95`: what others have closed of a trade."""
    return f"{count} {contract} {'sold' if is_sale else 'bought back'} at {price(average)}"


def part_of_row(part: Mapping[str, Any], trade: Mapping[str, Any]) -> str:
    """Return one of `parts_closed` in words."""
    if "contract" in part:
        return external_close_text(part["quantity"], part["contract"], part["price"], is_sale=part["action"] == "SELL")
    if "rolled" in part:
        return rolled_text(part["rolled"], part["quantity"], trade["quantity"])
    if "unwound" in part:
        return unwound_text(part["unwound"], part["quantity"], part["price"])
    entry = trade["entry_price"] or 0
    return partial_close_text(part["quantity"], trade["quantity"], part["price"], entry, part.get("leg", ""))


def left_at(trade: Mapping[str, Any], orders: Rows) -> str | None:
    """Return when a row of `trades` was closed: its exit's last fill, where only wings expired after it.

    A wing is a bought leg beside a sold one. Otherwise it is its end. orders: rows of its position. None while it is
    open.
    """
    end = None if trade["exit_time"] is None else str(trade["exit_time"])
    if end is None or trade["exit_reason"] in WITHOUT_ORDER:
        return end
    legs = json.loads(trade["legs"])
    expired = [leg for leg in legs if leg["settled"]]
    if expired and (any(leg["sign"] < 0 for leg in expired) or all(leg["sign"] > 0 for leg in legs)):
        return end
    filled = (
        str(each["fill_time"])
        for each in orders
        if each["fill_time"] and each["purpose"] in CLOSING and each["reason"] == trade["exit_name"]
    )
    return max(filled, default=end)


def with_parts(trade: Mapping[str, Any], orders: Rows, fills: Rows) -> Mapping[str, Any]:
    """Return a row of `trades` with the parts of it that were closed before its end, where there are some.

    `left` is added where that was before its end; `asked`, where fewer filled, is how many structures were asked for.
    """
    reported, parts, left = dict(trade), parts_closed(trade, orders, fills), left_at(trade, orders)
    if parts:
        reported["parts"] = parts
    if left is not None and left < str(trade["exit_time"]):
        reported["left"] = left
    if (asked := asked_for(trade, orders)) > trade["quantity"]:
        reported["asked"] = asked
    return reported


def asked_for(trade: Mapping[str, Any], orders: Rows) -> int:
    """Return how many structures an entry asked for in an order of all its legs, 0 of any other."""
    legs = json.loads(trade["legs"])
    if len(legs) == 1 and legs[0]["ratio"] != 1:
        return 0  # such an order counts pieces of its one leg
    filled = (each for each in orders if each["purpose"] == Purpose.ENTRY.value and each["filled"])
    return max((each["quantity"] for each in filled if len(json.loads(each["legs"])) == len(legs)), default=0)


def leg_text(leg: Mapping[str, Any]) -> str:
    """Return the trades of a leg of a row of `trades`: `1 long_put bought at 0.50, sold at 0.40`."""
    opening, ending = ("bought", "sold") if leg["sign"] > 0 else ("sold", "bought back")
    words = f"{leg['opened']} {leg['name']} {opening} at {price(float(leg['entry_price']))}"
    if leg["closed"] and leg["closed"] == leg["settled"]:
        ending = "settled"
    return words if leg["exit_price"] is None else f"{words}, {ending} at {price(float(leg['exit_price']))}"


def option_of(leg: Mapping[str, Any]) -> Option:
    """Return the contract of a leg that is an option, as `legs` of a row of `trades` has it."""
    expiry, right = date.fromisoformat(leg["expiry"]), Right(leg["right"])
    return Option(leg["symbol"], leg["symbol"], expiry, Decimal(str(leg["strike"])), right)


def structure_of(trade: Mapping[str, Any]) -> str:
    """Return what a row of `trades` or `open_positions` holds: strikes by right, and an expiry that is not its day."""
    strikes = map(_strike_of, json.loads(trade["legs"]))
    expiry = trade["expiration"]
    opened = str(trade.get("entry_time") or "")[:10]
    later = f" {expiry}" if expiry and opened and expiry != opened else ""
    count = f"{trade['quantity']} x " if trade["quantity"] != 1 else ""
    return count + structure_text(strikes) + later


def _strike_of(leg: Mapping[str, Any]) -> Strike:
    strike = Decimal(str(leg["strike"] or 0))
    return Strike(leg["symbol"], leg["right"], strike, leg["ratio"], leg.get("expiry"), leg.get("sign", 0))


def part_held(legs: Iterable[tuple[Strike, int, int]], *, is_gone: bool = False) -> str:
    """Return `1 of ` for part of the structures, or `6080/6095c of ` where only these legs are held.

    "" where everything is held that was opened, and `0 of ` where the account lacks all of it (`is_gone`). legs:
    strike, contracts opened and held of each.
    """
    every = tuple(legs)
    counts = {(opened // strike.ratio, held / strike.ratio) for strike, opened, held in every}
    if len(counts) == 1:
        ((opened, held),) = counts
        return f"{held:.0f} of " if (held or is_gone) and held < opened and held == int(held) else ""
    left = [strike for strike, _, held in every if held]
    return f"{structure_text(left)} of " if 0 < len(left) < len(every) else ""


def holding_of(trade: Mapping[str, Any], absent: Mapping[str, int] = MappingProxyType({})) -> str:
    """Return what a row of `open_positions` holds: `1 of 2 x 546p` once a part of what was opened is closed.

    absent: contracts by leg that the account lacks.
    """
    if trade["state"] == "entering":
        return structure_of(trade)
    legs = json.loads(trade["legs"])
    gone = {leg["name"]: leg["closed"] + absent.get(leg["name"], 0) for leg in legs}
    counts = ((_strike_of(leg), leg["opened"], leg["opened"] - gone[leg["name"]]) for leg in legs)
    part = part_held(counts, is_gone=bool(absent))
    return part + structure_of(trade)


def error_text(trade: Mapping[str, Any]) -> str:
    """Return what a trade that is over has left in the account, `in error, it has left +1 SPXW ..`; "" if nothing."""
    if trade["status"] != "ERROR":
        return ""
    counts = ((leg["sign"] * (leg["opened"] - leg["closed"]), leg["contract"]) for leg in json.loads(trade["legs"]))
    return "in error, it has left " + ", ".join(f"{count:+d} {contract}" for count, contract in counts if count)


def unprotected_legs_text(words: str, since: datetime) -> str:
    """Return the text about unprotected short legs. words: which, and why."""
    return f"no protection since {clock(since)}: {words}"


# --- What exits kept of what they promised, and how far from their price they filled

_DIGITS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """Results of one exit of a bot over its closed trades.

    promised_share: the part of the entry price that it promises to keep, kept_share what it kept, over all of them
    together; None for an exit that promises dollars, or nothing. promised, kept: dollars a trade on average.
    least_share, least: the same of the trade that kept least of its promise. made_share: profit before commissions by
    entry price, for an exit without a promise. missed: trades that kept less than promised. slippage: dollars per
    contract of the structure on average, + where it filled better than its price (without one: than the mid when it was
    first priced); None where no trade has one.
    """

    bot: str
    exit: str
    trades: int
    promised_share: Decimal | None
    kept_share: Decimal | None = None
    promised: Decimal | None = None
    kept: Decimal | None = None
    made_share: Decimal | None = None
    missed: int = 0
    slippage: Decimal | None = None
    least_share: Decimal | None = None
    least: Decimal | None = None

    def as_document(self) -> dict[str, Any]:
        """Return it as plain data."""
        shares, dollars = ("promised_share", "kept_share", "least_share"), ("promised", "kept", "least")
        numbers = (*shares, *dollars, "made_share", "slippage")
        amounts = {name: getattr(self, name) for name in numbers}
        reported = {name: None if amount is None else float(amount) for name, amount in amounts.items()}
        return {"bot": self.bot, "exit": self.exit, "trades": self.trades, "missed": self.missed, **reported}

    @classmethod
    def from_document(cls, reported: Mapping[str, Any]) -> "TargetResult":
        """Return it from plain data, with Decimals for floats: both are shown alike."""
        exact: dict[str, Any] = {
            name: Decimal(str(each)) if isinstance(each, float) else each for name, each in reported.items()
        }
        return cls(**exact)


class _Done(NamedTuple):
    """One closed trade: how its exit did, and its slippage in dollars per contract."""

    kept: ProfitKept
    position: Position
    slippage: Decimal | None

    @property
    def entry(self) -> Decimal:
        """Dollars that it was sold or bought for."""
        return abs(sum((leg.entry_cash for leg in self.position.legs), ZERO))


def read_profit_kept(reader: StoreReader, bot: str = "", day: str = "") -> list[TargetResult]:
    """Return the results of each exit of a bot ("" for all) over the closed trades of a store. Raises: StoreError.

    day: only trades that ended on it, as `exit_time` begins; "" for all.
    """
    rows = reader.view("trades", status="CLOSED", **({"strategy_id": bot} if bot else {}))
    slipped = {str(row["position"]): row["slippage"] for row in rows if str(row["exit_time"]).startswith(day)}
    return kept_by_exit((each for each in reader.closed_positions(bot) if each.id in slipped), slipped)


def kept_by_exit(positions: Iterable[Position], slipped: Mapping[str, float | None]) -> list[TargetResult]:
    """Return the results of the exits that closed these positions, by bot and exit.

    slipped: `slippage` of the view `trades`, dollars per share and + where it is worse, by position: it counts where an
    exit has no price. Positions that no exit closed are excluded.
    """
    groups: dict[tuple[str, str, Decimal | None], list[_Done]] = {}
    for position in positions:
        if (kept := kept_of(position)) is not None:
            share = None if kept.promised_share is None else kept.promised_share.quantize(_DIGITS)
            done = _Done(kept, position, _slippage(kept, slipped.get(position.id)))
            groups.setdefault((position.bot, kept.exit, share), []).append(done)
    return [_summed(*key, found) for key, found in sorted(groups.items(), key=lambda each: str(each[0]))]


def _slippage(kept: ProfitKept, slipped: float | None) -> Decimal | None:
    if kept.slippage is not None or slipped is None:
        return kept.slippage
    return (-Decimal(str(slipped)) * 100).quantize(CENT)


def _summed(bot: str, exit: str, share: Decimal | None, found: list[_Done]) -> TargetResult:
    promising = [each.kept for each in found if each.kept.promised_dollars is not None]
    slippage = _mean([each.slippage for each in found if each.slippage is not None])
    result = TargetResult(bot=bot, exit=exit, trades=len(found), promised_share=share, slippage=slippage)
    if promising:
        return _with_promise(result, promising)
    entries = sum((each.entry for each in found), ZERO)
    gross = sum((each.position.gross for each in found), ZERO)
    return replace(result, made_share=(gross / entries).quantize(_DIGITS) if entries else None)


def _with_promise(result: TargetResult, promising: Sequence[ProfitKept]) -> TargetResult:
    promised = [each.promised_dollars or ZERO for each in promising]
    kept = [each.kept_dollars or ZERO for each in promising]
    least, share = min(promising, key=_beyond_promise), result.promised_share
    total = sum(promised, ZERO)
    return replace(
        result,
        kept_share=(share * sum(kept, ZERO) / total).quantize(_DIGITS) if share and total else None,
        promised=_mean(promised),
        kept=_mean(kept),
        missed=sum(each.is_missed for each in promising),
        least_share=None if least.kept_share is None else least.kept_share.quantize(_DIGITS),
        least=(least.kept_dollars or ZERO).quantize(CENT),
    )


def _mean(amounts: Sequence[Decimal]) -> Decimal | None:
    return (sum(amounts, ZERO) / len(amounts)).quantize(CENT) if amounts else None


def _beyond_promise(kept: ProfitKept) -> Decimal:
    """Return what a trade kept beyond its promise, as a share of the entry price, or in dollars."""
    if kept.kept_share is not None and kept.promised_share is not None:
        return kept.kept_share - kept.promised_share
    return (kept.kept_dollars or ZERO) - (kept.promised_dollars or ZERO)


def kept_text(found: TargetResult) -> str:
    """Return `target 50 %: kept 51 %, at least 50 %, slippage +$0.40 a contract, n 31`."""
    promise, parts, several = "", [], found.trades > 1
    if found.promised_share is not None and found.kept_share is not None:
        promise, parts = f" {_percent(found.promised_share)}", [f"kept {_percent(found.kept_share)}"]
        parts += [f"at least {_percent(found.least_share)}"] if several and found.least_share is not None else []
    elif found.promised is not None and found.kept is not None:
        promise, parts = f" {signed_dollars(found.promised)}", [f"kept {signed_dollars(found.kept)} on average"]
        parts += [f"at least {signed_dollars(found.least)}"] if several and found.least is not None else []
    elif found.made_share is not None:
        parts = [f"made {_percent(found.made_share)} of the entry price"]
    if found.missed:
        parts.append(f"{found.missed} kept less than promised")
    if found.slippage is not None:
        parts.append(f"slippage {signed_dollars(found.slippage)} a contract")
    return f"{found.exit}{promise}: {', '.join([*parts, f'n {found.trades}'])}"


def kept_lines(found: Iterable[TargetResult], *, is_named: bool) -> list[str]:
    """Return a line for each exit. is_named: with the name of its bot in front."""
    return [f"{each.bot} {kept_text(each)}" if is_named else kept_text(each) for each in found]


def _percent(share: Decimal) -> str:
    text = f"{share * 100:.1f}"
    return f"{text.removesuffix('.0')} %"


# --- Trades that ended in shares


class InShares(NamedTuple):
    """One trade that was assigned or exercised.

    net: its profit, shares included; None while the trade is open or `worth` is not known. worth: the part of it that
    its shares made, at the official settlement price against the strike; None while that price is not known.
    """

    position: str
    net: Decimal | None
    worth: Decimal | None

    def as_document(self) -> dict[str, str | float | None]:
        """Return it as plain data."""
        return {
            "position": self.position,
            "net": None if self.net is None else float(self.net),
            "worth": None if self.worth is None else float(self.worth),
        }


def read_in_shares(reader: StoreReader, bot: str = "") -> list[InShares]:
    """Return the trades of a bot, "" of all, that ended in shares of the account, in order. Raises: StoreError."""
    return trades_in_shares(reader.view("trades", **({"strategy_id": bot} if bot else {})))


def trades_in_shares(rows: Iterable[Mapping[str, Any]]) -> list[InShares]:
    """Return those of some rows of the view `trades` that ended in shares of the account."""
    found = []
    for row in rows:
        legs = json.loads(row["legs"])
        if any(_moved(leg) for leg in legs):
            net = row["final_pnl"]
            found.append(InShares(str(row["position"]), None if net is None else cents(float(net)), _worth(legs)))
    return found


def _moved(leg: Mapping[str, Any]) -> bool:
    return bool(leg.get("unpriced") or Decimal(str(leg.get("shares_profit") or 0)))


def _worth(legs: Iterable[Mapping[str, Any]]) -> Decimal | None:
    moved = [leg for leg in legs if _moved(leg)]
    if any(leg.get("unpriced") for leg in moved):
        return None
    return sum((Decimal(str(leg["shares_profit"])) for leg in moved), ZERO)


def in_shares_lines(trades: Sequence[InShares]) -> Iterator[str]:
    """Yield what to say of them, nothing of none."""
    if not trades:
        return
    yield f"ended in shares: {counted(len(trades), 'trade')}, counted at the official settlement price of the shares"
    if known := [each.worth for each in trades if each.worth is not None]:
        yield f"the shares made {signed_dollars(sum(known, ZERO))} of the profit"
    if unknown := sum(each.worth is None for each in trades):
        yield f"in no sum: {counted(unknown, 'trade')}, as the price of the shares is not known yet"
