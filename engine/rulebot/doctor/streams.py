"""What streams, in words, and what that means to bots: who needs it, and which subscription is missing."""

from collections.abc import Iterator, Mapping, Sequence

from rulebot.adapters.ib.contracts import subscription, subscriptions_of_all
from rulebot.core.program import CompiledBot
from rulebot.doctor.finding import Finding, Group, Level
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.contract import Contract, Option
from rulebot.preview.read_only_session import ReadOnlySession
from rulebot.preview.subscriptions import CODE, PreviewData, Stream

ORDER = list(Stream)
_LEVELS: Mapping[Stream, Level] = {
    Stream.LIVE: Level.OK,
    Stream.PARTLY: Level.WARNING,
    Stream.SILENT: Level.WARNING,
    Stream.NO_LINE: Level.WARNING,
}


def told_streams(visit: ReadOnlySession, desk: LoadedBots, seen: Mapping[Contract, PreviewData]) -> Iterator[Finding]:
    """Yield a line for each underlying and index, and one for the options on each: what comes, and who needs it."""
    lines: dict[str, list[Contract]] = {}
    for contract in seen:
        name = f"{contract.symbol} options" if _is_option(contract) else contract.symbol
        lines.setdefault(name, []).append(contract)
    for name in sorted(lines):
        found = sorted((seen[contract] for contract in lines[name]), key=lambda each: ORDER.index(each.stream))
        yield _told(visit, name, lines[name], found, _needed_by(desk, lines[name]))


def _told(
    visit: ReadOnlySession, name: str, contracts: list[Contract], found: list[PreviewData], needed_by: str
) -> Finding:
    worst = found[0]
    words = worst.stream.value
    if _is_option(contracts[0]):
        count = sum(each.stream is worst.stream for each in found)
        words = f"{words}, {count} of {len(found)} contracts"
        if worst.stream is Stream.SILENT and visit.is_in_hours and count < len(found):
            live = len(found) - count
            return Finding(Group.DATA, name, Level.OK, f"live, {live} of {len(found)} contracts{needed_by}")
    if worst.stream is Stream.SILENT and not visit.is_in_hours:
        return Finding(Group.DATA, name, Level.NOT_CHECKED, f"{words}: the exchange is closed{needed_by}")
    level = _LEVELS.get(worst.stream, Level.FAULT)
    return Finding(Group.DATA, name, level, f"{words}{needed_by}", _mend(worst, contracts[0]))


def _mend(worst: PreviewData, contract: Contract) -> str:
    if worst.stream is Stream.LIVE:
        return ""
    code = CODE.search(worst.trouble)
    told = f" (error {code[1]})" if code else ""
    if worst.stream is Stream.ELSEWHERE:
        return f"log out of TWS, the phone and the web with this user{told}"
    if worst.stream is Stream.NO_LINE:
        return f"end other programs that stream: a user has 100 lines{told}"
    if worst.stream is Stream.REFUSED:
        return worst.trouble
    missing = (subscriptions_of_all if worst.stream is Stream.PARTLY else subscription)(contract)
    return f"subscribe to {missing}; a paper user shares the live user's data when it is allowed{told}"


def _needed_by(desk: LoadedBots, contracts: Sequence[Contract]) -> str:
    symbols = {contract.symbol for contract in contracts}
    reads = _options_of if _is_option(contracts[0]) else _levels_of
    names = [name for name, bot in sorted(desk.bots.items()) if symbols & reads(bot)]
    return f"; needed by {', '.join(names)}" if names else ""


def _is_option(contract: Contract) -> bool:
    return isinstance(contract, Option) and not contract.is_share


def _levels_of(bot: CompiledBot) -> set[str]:
    """Return the underlyings and indices whose price a bot reads, or deals in."""
    structures = bot.structures()
    read = {level.symbol for each in (bot, *structures) for level in each.levels}
    return read | {leg.symbol for each in structures for leg in each.plan.legs if leg.is_shares}


def _options_of(bot: CompiledBot) -> set[str]:
    """Return the underlyings whose options a bot deals in, or reads beside them."""
    plans = [each.plan for each in bot.structures()]
    return {leg.symbol for plan in plans for leg in (*plan.legs, *plan.needs.beside) if not leg.is_shares}
