"""The account: which it is, what is in it, and what the broker lets it do, as far as the API tells."""

from collections.abc import Iterator
from decimal import Decimal

from rulebot.core.program import CompiledBot
from rulebot.doctor.finding import Finding, Group, fault, fine, unchecked, warning
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.counted import counted
from rulebot.preview.read_only_session import ReadOnlySession

_PORTAL = "Client Portal > Settings > Account > Trading Permissions > Options"


def account(visit: ReadOnlySession, desk: LoadedBots, *, live: bool) -> Iterator[Finding]:
    """Yield what the account is and may do."""
    mode = "real money" if live else "paper"
    simulated = ", simulated" if visit.link.is_simulated else ""
    text = f"{visit.link.account} ({mode}{simulated}), kept in {visit.state.facts.account.currency}"
    yield fine(Group.ACCOUNT, "account", text)
    held, working = len(visit.up.positions), len(visit.up.order_refs)
    yield fine(
        Group.ACCOUNT, "held", f"{counted(held, 'position')}, {counted(working, 'order')} at work with a reference"
    )
    yield from _balance(visit, desk)
    yield _day_trades(visit, desk)
    yield _permissions(desk)


def _balance(visit: ReadOnlySession, desk: LoadedBots) -> Iterator[Finding]:
    told = visit.state.facts.account
    if told.net_liquidation is None:
        mend = "wait until TWS or IB Gateway has loaded the account"
        yield fault(Group.ACCOUNT, "balance", "the broker does not tell what the account is worth", mend)
        return
    parts = [("worth", told.net_liquidation), ("cash", told.cash), ("buying power", told.buying_power)]
    parts += [("free for margin", told.available_funds)]
    text = ", ".join(f"{name} {_dollars(amount)}" for name, amount in parts)
    if told.net_liquidation <= 0:
        yield fault(Group.ACCOUNT, "balance", text, "there is nothing to trade with: fund the account")
        return
    yield fine(Group.ACCOUNT, "balance", text)
    free = told.available_funds
    for name, bot in sorted(desk.bots.items()):
        most = bot.plan.risk.max_loss_per_trade
        if free is not None and most is not None and most > free:
            short = f"one entry of {name} may lose {_dollars(most)}, and {_dollars(free)} are free for margin"
            yield warning(Group.ACCOUNT, "balance", short, "fewer contracts, narrower legs, or more funds")


def _dollars(amount: Decimal | None) -> str:
    return "not told" if amount is None else f"${amount:,.2f}"


def _day_trades(visit: ReadOnlySession, desk: LoadedBots) -> Finding:
    left = visit.state.facts.account.day_trades_left
    if left is None:
        return fine(Group.ACCOUNT, "day trades", "the broker tells no limit")
    if left:
        return fine(Group.ACCOUNT, "day trades", f"{left} left within five sessions")
    if desk.account is not None and desk.account.pattern_day_trading:
        return fine(Group.ACCOUNT, "day trades", "none left, and the account document says that the rule does not bind")
    stopped = sorted(name for name, bot in desk.bots.items() if _closes_on_its_day(visit, bot))
    text = "none left within five sessions"
    mend = "wait, hold over night, or 'pattern_day_trading' of the account document where the rule does not bind it"
    return warning(Group.ACCOUNT, "day trades", f"{text}: {', '.join(stopped) or 'no bot'} enters nothing by it", mend)


def _closes_on_its_day(visit: ReadOnlySession, bot: CompiledBot) -> bool:
    """Say whether an entry of today would be closed today, by a time exit or since its options expire today."""
    session, facts = visit.session, visit.state.facts
    for each in bot.structures():
        expiries = (each.legs_expiry(facts, session, leg.symbol) for leg in each.plan.legs if not leg.is_shares)
        expires = session.date in expiries and any(rule is not None for rule in each.exits)
        if expires or each.closes_on_its_day(session, (), session.open):
            return True
    return False


def _permissions(desk: LoadedBots) -> Finding:
    """Say what the bots need: the API tells permissions only by refusing an order."""
    needs: dict[str, set[str]] = {}
    for each in (each for bot in desk.bots.values() for each in bot.structures()):
        for what, symbols in _needs(each):
            needs.setdefault(what, set()).add(symbols)
    listed = "; ".join(f"{what} on {', '.join(sorted(symbols))}" for what, symbols in sorted(needs.items()))
    text = "not told by the API" + (f"; these bots need {listed}" if listed else "")
    return unchecked(Group.ACCOUNT, "option level", text, f"look under {_PORTAL}")


def _needs(bot: CompiledBot) -> Iterator[tuple[str, str]]:
    """Yield what is dealt in, as permissions name it, and on which underlyings."""
    plan = bot.plan
    symbols = "/".join(dict.fromkeys(leg.symbol for leg in plan.legs if not leg.is_shares))
    is_short = any(leg.sign < 0 and not leg.is_shares for leg in plan.legs)
    is_long = any(leg.sign > 0 and not leg.is_shares for leg in plan.legs)
    has_shares = plan.overwrite is not None or any(leg.is_shares for leg in plan.legs)
    if is_short and is_long:
        yield "spreads", symbols
    elif is_short:
        yield "covered calls" if has_shares else "short options without cover", symbols
    elif is_long:
        yield "long options", symbols
