"""The specs: whether each can be run, and what is legal in it and hardly meant."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from rulebot.adapters.ib.handshake import Greeting
from rulebot.core.program import CompiledBot
from rulebot.doctor.market_checks import Finding, Group, Level, fault, fine, outage, unchecked, warning
from rulebot.documents.load_bots import (
    LoadedBots,
    ProblemsError,
    check_overrides,
    is_named,
    load_all_bots,
    with_kept_overrides,
)
from rulebot.model.errors import RulebotError, SpecError, StoreError
from rulebot.model.money import BUILT_IN_WORDS
from rulebot.model.text import counted
from rulebot.preview.connection import ReadOnlySession, coming_session
from rulebot.process.settings import FILE_NAME, PREFIX, Settings, read_settings, read_toml
from rulebot.promotion.promotion import AdmissionRequest, missing, read_live_store
from rulebot.spec.diagnostic import Diagnostic, closest
from rulebot.store.place import Place

EMPTY = LoadedBots({}, (), None, ())


def found_desk(
    paths: Sequence[str], overrides: Mapping[str, str], account: Path | None
) -> tuple[LoadedBots, list[Finding]]:
    """Return the bots that can be run, also when others cannot, and what is said of every document.

    Raises: MisuseError when nothing is there under a path.
    """
    if not paths:
        text = "no spec was named: what bots need was not looked at"
        return EMPTY, [unchecked(Group.SPECS, "specs", text, "rulebot doctor specs/*.yaml")]
    try:
        desk = load_all_bots(paths, overrides, account)
        check_overrides(desk, overrides)
    except ProblemsError as error:
        return _rest_of(error.found, overrides, account)
    except (SpecError, StoreError) as error:
        said = outage if isinstance(error, StoreError) else _unfit
        return EMPTY, [said(Group.SPECS, "specs", error)]
    return desk, [*_warnings(desk.warnings), *_fine(desk)]


def found_for_exits(paths: Sequence[str], account: Path | None) -> tuple[LoadedBots, list[Finding]]:
    """Return findings on specs without entries: their account document, and reasons to refuse a start.

    Missing ones are not reported. Raises: as `found_desk`.
    """
    desk, said = found_desk([path for path in paths if is_named(path)], {}, account)
    text = "nothing is entered: what bots need was not looked at"
    kept = replace(desk, bots={}, texts=(), warnings=())
    faults = [each for each in said if each.level is Level.FAULT]
    return kept, faults or [unchecked(Group.SPECS, "specs", text, "")]


def with_set(desk: LoadedBots, store: Place) -> tuple[LoadedBots, list[Finding]]:
    """Return the bots as a run on a store would have them, with what operators have set there, and what that is.

    A store that cannot be read says so where it is looked at: here the bots stay as their files have them.
    """
    try:
        found = with_kept_overrides(desk, store)
    except StoreError:
        return desk, []
    except SpecError as error:
        return desk, [_unfit(Group.SPECS, "set by an operator", error)]
    before = {text.name: text.overrides for text in desk.texts}
    changed = {text.name: sorted(text.overrides.items() - before[text.name].items()) for text in found.texts}
    return found, [
        warning(Group.SPECS, name, f"an operator has set {', '.join(map(' '.join, values))}")
        for name, values in changed.items()
        if values
    ]


def _rest_of(
    found: Mapping[str, tuple[Diagnostic, ...]], overrides: Mapping[str, str], account: Path | None
) -> tuple[LoadedBots, list[Finding]]:
    """Return the desk of the documents without an error, after what is wrong with the others."""
    wrong = {file: problems for file, problems in found.items() if any(each.is_error for each in problems)}
    said = [
        fault(Group.SPECS, file, _place(each), each.help or f"rulebot validate {file}")
        for file, problems in wrong.items()
        for each in problems
        if each.is_error
    ]
    rest = [file for file in found if file not in wrong]
    try:
        desk = load_all_bots(rest, overrides, account) if rest else EMPTY
    except RulebotError as error:  # say only the account document remains: its faults have been reported
        return EMPTY, [*said, unchecked(Group.SPECS, "specs", f"the others: {error.message}")]
    return desk, [*said, *_warnings(desk.warnings), *_fine(desk)]


def _unfit(group: Group, name: str, error: RulebotError) -> Finding:
    return fault(group, name, error.message.splitlines()[0], error.help or "")


def _warnings(problems: Iterable[Diagnostic]) -> list[Finding]:
    return [warning(Group.SPECS, each.file, _place(each), each.help or "") for each in problems]


def _place(problem: Diagnostic) -> str:
    return f"line {problem.line}: {problem.code}: {problem.message}"


def _fine(desk: LoadedBots) -> list[Finding]:
    said = [fine(Group.SPECS, text.name, f"can be run ({text.file})") for text in desk.texts]
    if desk.account is None:
        text = f"no account document: {BUILT_IN_WORDS}"
        mend = "specs/account.yaml is one to copy"
        return [*said, warning(Group.SPECS, "account document", text, mend)]
    return [*said, fine(Group.SPECS, "account document", "its limits hold for all bots together")]


# --- The account

_PORTAL = "Client Portal > Settings > Account > Trading Permissions > Options"


def account(visit: ReadOnlySession, desk: LoadedBots, *, live: bool) -> Iterator[Finding]:
    """Yield what the account is and may do."""
    mode = "real money" if live else "paper"
    simulated = ", simulated" if visit.link.is_simulated else ""
    text = f"{visit.link.account} ({mode}{simulated}), kept in {visit.state.market.facts.account.currency}"
    yield fine(Group.ACCOUNT, "account", text)
    held, working = len(visit.up.positions), len(visit.up.order_refs)
    yield fine(
        Group.ACCOUNT, "held", f"{counted(held, 'position')}, {counted(working, 'order')} working with a reference"
    )
    yield from _balance(visit, desk)
    yield _day_trades(visit, desk)
    yield _permissions(desk)


def _balance(visit: ReadOnlySession, desk: LoadedBots) -> Iterator[Finding]:
    reported = visit.state.market.facts.account
    if reported.net_liquidation is None:
        mend = "wait until TWS or IB Gateway has loaded the account"
        yield fault(Group.ACCOUNT, "balance", "the broker does not report the account's value", mend)
        return
    parts = [("worth", reported.net_liquidation), ("cash", reported.cash), ("buying power", reported.buying_power)]
    parts += [("free for margin", reported.available_funds)]
    text = ", ".join(f"{name} {_dollars(amount)}" for name, amount in parts)
    if reported.net_liquidation <= 0:
        yield fault(Group.ACCOUNT, "balance", text, "there is nothing to trade with: fund the account")
        return
    yield fine(Group.ACCOUNT, "balance", text)
    free = reported.available_funds
    for name, bot in sorted(desk.bots.items()):
        most = bot.plan.risk.max_loss_per_trade
        if free is not None and most is not None and most > free:
            short = f"one entry of {name} may lose {_dollars(most)}, and {_dollars(free)} are free for margin"
            yield warning(Group.ACCOUNT, "balance", short, "fewer contracts, narrower legs, or more funds")


def _dollars(amount: Decimal | None) -> str:
    return "not reported" if amount is None else f"${amount:,.2f}"


def _day_trades(visit: ReadOnlySession, desk: LoadedBots) -> Finding:
    left = visit.state.market.facts.account.day_trades_left
    if left is None:
        return fine(Group.ACCOUNT, "day trades", "the broker reports no limit")
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
    session, facts = visit.session, visit.state.market.facts
    for each in bot.structures():
        expiries = (each.legs_expiry(facts, session, leg.symbol) for leg in each.plan.legs if not leg.is_shares)
        expires = session.date in expiries and any(rule is not None for rule in each.exits)
        if expires or each.closes_on_its_day(session, (), session.open):
            return True
    return False


def _permissions(desk: LoadedBots) -> Finding:
    """List what the bots need: the API reveals permissions only by rejecting an order."""
    needs: dict[str, set[str]] = {}
    for each in (each for bot in desk.bots.values() for each in bot.structures()):
        for what, symbols in _needs(each):
            needs.setdefault(what, set()).add(symbols)
    listed = "; ".join(f"{what} on {', '.join(sorted(symbols))}" for what, symbols in sorted(needs.items()))
    text = "not reported by the API" + (f"; these bots need {listed}" if listed else "")
    return unchecked(Group.ACCOUNT, "option level", text, f"look under {_PORTAL}")


def _needs(bot: CompiledBot) -> Iterator[tuple[str, str]]:
    """Yield what is traded, as permissions name it, and on which underlyings."""
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


# --- The settings, and where each of them came from

KEYS = tuple(field.name for field in fields(Settings))
USUAL = "usual"
_MEND = "correct it, or leave it out: docs/settings.md has every setting"


def found_settings(
    file: Path | None,
    folder: Path,
    data: Path,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
) -> tuple[Settings | None, list[Finding]]:
    """Return the settings, None when they cannot be used, and what is said of them."""
    try:
        settings = read_settings(file, folder, data, environ=environ, flags=flags)
    except RulebotError as error:
        lines = error.message.splitlines()
        return None, [fault(Group.SETTINGS, "settings", lines[0], error.help or _MEND)]
    sources = origins(file, folder, flags, environ)
    shown = [fine(Group.SETTINGS, key, f"{_shown(settings, key)} ({sources[key]})") for key in KEYS]
    return settings, [*shown, *_misspelt(environ)]


def origins(
    file: Path | None, folder: Path, flags: Mapping[str, object], environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the origin of each setting: a flag, a variable, a file, or `usual` by default."""
    path = folder / FILE_NAME if file is None else file
    in_file = set(read_toml(path.read_text(encoding="utf-8-sig"))) if path.is_file() else set()
    found = {}
    for key in KEYS:
        variable = PREFIX + key.upper()
        if flags.get(key) is not None:
            found[key] = "said with the command"
        elif environ.get(variable):
            found[key] = variable
        else:
            found[key] = str(path) if key in in_file else USUAL
    return found


def _shown(settings: Settings, key: str) -> str:
    value = getattr(settings, key)
    if value is None:
        return "4001 or 7496" if key == "live_port" else "4002 or 7497"
    return str(value) or "the only one of the login"


def _misspelt(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield variables that resemble settings and have no effect."""
    known = {PREFIX + key.upper(): key for key in KEYS}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        meant = closest(variable.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], likeness=0.75)
        if meant is not None:
            text = f"the variable {variable} is not a setting and has no effect"
            yield warning(Group.SETTINGS, "variables", text, f"was {PREFIX}{meant} meant?")


# --- What a run with real money would be refused for


def admission(
    desk: LoadedBots, settings: Settings, where: str, offered: Greeting | None, at: datetime
) -> Iterator[Finding]:
    """Yield all that `run --live` would find missing, but that a person has to confirm the account."""
    rules = None if desk.account is None else desk.account.live
    account = "" if rules is None else rules.account
    try:
        store = read_live_store(
            settings.live_store, account, simulated=offered is not None and offered.is_simulated, verifies=False
        )
    except StoreError as error:
        yield outage(Group.LIVE, "promotions", error)
        return
    asked = AdmissionRequest(
        digests=desk.digests,
        document=desk.account,
        where=where,
        offered=offered,
        unreachable="",
        store=store,
        today=coming_session(at if offered is None or offered.reported_at is None else offered.reported_at).date,
        confirmed=None,
    )
    found = missing(asked)
    for text in found:
        yield fault(Group.LIVE, "admission", text, "docs/live.md has the way from paper to real money")
    if not found:
        yield fine(Group.LIVE, "admission", "nothing is missing; a person confirms the account at the start")
