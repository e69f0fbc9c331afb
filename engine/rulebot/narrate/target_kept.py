"""What exits kept of what they promised, and how far from their price they filled: one sum for each exit of a bot."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.model.kept import ProfitKept, kept_of
from rulebot.model.money import CENT, ZERO, signed_dollars
from rulebot.model.position import Position
from rulebot.model.values import dataclass
from rulebot.store.queries import StoreReader

_DIGITS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """How one exit of a bot did over its closed trades.

    promised_share: the part of the entry price that it promises to keep, kept_share what it kept of it, over all of
    them together; None of an exit that promises dollars, or nothing. promised, kept: dollars a trade on average.
    least_share, least: the same of the trade that kept least of its promise.
    made_share: what the trades made before commissions, by their entry price, of an exit that promises nothing. missed:
    trades that kept less than was promised. slippage: dollars per contract of the structure on average, + where it
    filled better than its price (without one: than the mid when it was first priced); None where no trade has one.
    """

    bot: str
    exit: str
    trades: int
    promised_share: Decimal | None
    kept_share: Decimal | None
    promised: Decimal | None
    kept: Decimal | None
    made_share: Decimal | None
    missed: int
    slippage: Decimal | None
    least_share: Decimal | None = None
    least: Decimal | None = None

    def as_document(self) -> dict[str, Any]:
        """Return it as plain data."""
        shares, dollars = ("promised_share", "kept_share", "least_share"), ("promised", "kept", "least")
        numbers = (*shares, *dollars, "made_share", "slippage")
        amounts = {name: getattr(self, name) for name in numbers}
        told = {name: None if amount is None else float(amount) for name, amount in amounts.items()}
        return {"bot": self.bot, "exit": self.exit, "trades": self.trades, "missed": self.missed, **told}

    @classmethod
    def from_document(cls, told: Mapping[str, Any]) -> "TargetResult":
        """Return it of plain data, whose floats become the Decimals they stand for: both are shown alike."""
        exact: dict[str, Any] = {
            name: Decimal(str(each)) if isinstance(each, float) else each for name, each in told.items()
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


def read_kept(reader: StoreReader, bot: str = "", day: str = "") -> list[TargetResult]:
    """Return how each exit of a bot, "" of all, did over the closed trades of a store. Raises: StoreError.

    day: of those that ended on it alone, as `exit_time` begins; "" of all.
    """
    rows = reader.view("trades", status="CLOSED", **({"strategy_id": bot} if bot else {}))
    slipped = {str(row["position"]): row["slippage"] for row in rows if str(row["exit_time"]).startswith(day)}
    return kept_by_exit((each for each in reader.closed_positions(bot) if each.id in slipped), slipped)


def kept_by_exit(positions: Iterable[Position], slipped: Mapping[str, float | None]) -> list[TargetResult]:
    """Return how the exits that closed these positions did, by bot and exit; what no exit closed is left out.

    slipped: `slippage` of the view `trades`, dollars per share and + where it is worse, by position: it counts where an
    exit has no price.
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
    kept_by = (each.kept for each in found)
    promising = [kept for kept in kept_by if kept.promised_dollars is not None and kept.kept_dollars is not None]
    promised = sum((kept.promised_dollars or ZERO for kept in promising), ZERO)
    made = sum((kept.kept_dollars or ZERO for kept in promising), ZERO)
    slippages = [each.slippage for each in found if each.slippage is not None]
    entries = sum((each.entry for each in found), ZERO)
    gross = sum((each.position.gross for each in found), ZERO)
    least = min(promising, key=_beyond_promise, default=None)
    least_share = None if least is None else least.kept_share
    return TargetResult(
        bot=bot,
        exit=exit,
        trades=len(found),
        promised_share=share,
        kept_share=(share * made / promised).quantize(_DIGITS) if share and promised else None,
        promised=(promised / len(promising)).quantize(CENT) if promising else None,
        kept=(made / len(promising)).quantize(CENT) if promising else None,
        made_share=(gross / entries).quantize(_DIGITS) if entries and not promising else None,
        missed=sum(kept.is_missed for kept in promising),
        slippage=(sum(slippages, ZERO) / len(slippages)).quantize(CENT) if slippages else None,
        least_share=None if least_share is None else least_share.quantize(_DIGITS),
        least=None if least is None or least.kept_dollars is None else least.kept_dollars.quantize(CENT),
    )


def _beyond_promise(kept: ProfitKept) -> Decimal:
    """Return what a trade kept beyond its promise, as a share of the entry price, or in dollars."""
    if kept.kept_share is not None and kept.promised_share is not None:
        return kept.kept_share - kept.promised_share
    return (kept.kept_dollars or ZERO) - (kept.promised_dollars or ZERO)


def kept_words(found: TargetResult) -> str:
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
    return [f"{each.bot} {kept_words(each)}" if is_named else kept_words(each) for each in found]


def _percent(share: Decimal) -> str:
    text = f"{share * 100:.1f}"
    return f"{text.removesuffix('.0')} %"
