"""Universe ranking: which symbols of a universe are entered, by rank, one entry after the other.

At each judgement every symbol is checked: the universe's requirements of its at-the-money options, then the entry's
conditions. Symbols that pass are ranked, including those that are held or had their entry: they keep their place.
Passed over are symbols with an unknown rank, and covered calls without shares. Of the selected symbols, the first that
may still be entered is entered.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from rulebot.core.entry.alternatives import Taken, has_no_alternative, take_alternative
from rulebot.core.entry.entry_rules import choose_and_send, is_entering, is_to_be_judged
from rulebot.core.entry.structure_selection import opening_commission, price_legs, show_candidate
from rulebot.core.entry.universe_requirements import at_the_money, evaluate_universe_member
from rulebot.core.gate.covered_calls import without_shares
from rulebot.core.program import CompiledBot, CompiledMember
from rulebot.core.queries.entry_blocks import closed, halted, not_trading, shut_today, skip
from rulebot.core.rules.near_misses import record_limit_miss, record_miss
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, failing, rounded
from rulebot.core.rules.selections import taken_for
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.lists import blocked_for, is_about_to_enter, positions_of, view_of
from rulebot.core.state.state import Reading
from rulebot.decide.entry_window import opportunity
from rulebot.evaluate.strikes import select
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.model.values import replace
from rulebot.record.record import Json, Kind
from rulebot.wording.condition import describe

# --- Which symbols of a universe are entered

RANK_AGE = timedelta(minutes=5)
"""How long the rank of a symbol counts that waits for its turn of market data lines."""


class Candidate(NamedTuple):
    """A symbol whose conditions hold: the structure it would take, what it is ranked by, "" or why it has no rank.

    is_bare: it has none since shares are not there against which its calls would be sold.
    """

    member: CompiledMember
    view: View
    taken: Taken
    value: float | None = None
    missing: str = ""
    is_bare: bool = False


def evaluate_universe(work: StateBuilder, bot: CompiledBot) -> None:
    """Judge every symbol of a bot, and enter the best of those that may be; at most one entry leaves."""
    if not is_to_be_judged(work, bot):
        return
    name = bot.plan.name
    _report_halts(work, bot)
    if reason := shut_today(work, bot):
        set_bot(work, name, replace(work.bots.by_name[name], status_text=reason))
        return
    found = [candidate for member in bot.members if (candidate := _judged(work, member)) is not None]
    taken, symbols = _ranked(work, bot, found)
    _note_focus(work, name, [*symbols, *(each.member.symbol for each in found if not each.is_bare)])
    for candidate in taken:
        if _stands_in_the_way(work, candidate.member.bot):
            continue
        choose_and_send(work, candidate.taken[0], candidate.view, candidate.taken[1])
        if is_entering(work, name) or is_about_to_enter(work, name) or not work.connection.is_ready:
            return


# ---------------------------------------------------------------- one symbol


def _judged(work: StateBuilder, member: CompiledMember) -> Candidate | None:
    """Return the symbol as a candidate, None when a condition of it does not hold, which is remembered."""
    bot, view = member.bot, view_of(work)
    name = bot.plan.name
    view.quantity = bot.plan.quantity
    required, truths = evaluate_universe_member(work, member, view)
    judged = evaluate_rules(work, name, bot.place("when"), bot.when, view)
    readings = (*required, *judged)
    truths += [confirmed(work, name, bot.place("when"), each, view) for each in judged]
    if not all(truth is True for truth in truths):
        if missed := failing(readings):
            record_miss(work, bot, missed, readings)
            _decide(work, bot, missed, readings)
        if any(reading.evaluation.truth is False for reading in missed):
            _forget(work, bot)
        return None
    taken = take_alternative(work, bot, view, readings)
    if taken is None and has_no_alternative(work, bot, view):
        _forget(work, bot)
    return None if taken is None else _with_rank(work, Candidate(member, view, taken), readings)


def _decide(work: StateBuilder, bot: CompiledBot, missed: list[Reading], readings: tuple[Reading, ...]) -> None:
    """With `try: once` the first clear answer decides the symbol's opportunity."""
    if bot.plan.entry.once and all(reading.evaluation.truth is not None for reading in readings):
        words = f"{missed[0].rule.name} {describe(missed[0].rule, missed[0].evaluation)}"
        name = bot.plan.name
        day = work.bots.by_name[name].day
        if not day.of_member(bot.symbol).decided:
            put_day(work, day.note(bot.symbol, decided=words))


# ---------------------------------------------------------------- the rank


def _with_rank(work: StateBuilder, candidate: Candidate, readings: tuple[Reading, ...]) -> Candidate:
    """Return the candidate with what it is ranked by. readings: those that hold."""
    member, view = candidate.member, candidate.view
    ranking = work.program.bots[member.bot.plan.name].plan.ranking
    if member.rank is None or ranking is None:
        return candidate
    if bare := without_shares(work, member.bot):
        _forget(work, member.bot)
        record_limit_miss(work, member.bot, "quantity", f"0: {bare}", readings)
        return candidate._replace(missing=bare, is_bare=True)
    if ranking.of_structure and (missing := _price(work, candidate)):
        return candidate._replace(missing=missing)
    value = member.rank(view)
    view.legs, view.start_price = (), None
    if isinstance(value, float):
        return candidate._replace(value=value)
    return candidate._replace(missing=value.reason if isinstance(value, UnknownValue) else "known of some legs only")


def _price(work: StateBuilder, candidate: Candidate) -> str:
    """Let the view see the legs that the candidate would take, at the price its order starts from, or say why not."""
    bot, view = candidate.taken[0], candidate.view
    plan = bot.plan
    selection = select(plan.legs, view, bot.expected_move, blocked_for(work, plan.name), taken_for(work, bot))
    if not selection.is_complete:
        return selection.missing or selection.refused
    show_candidate(view, plan, selection, price_legs(selection, view))
    view.commission = float(opening_commission(selection, view, plan.quantity))
    return ""


def _ranked(work: StateBuilder, bot: CompiledBot, found: list[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Return the selected candidates, best first, and all selected symbols; records selected and passed-over symbols.

    A symbol that waits for its turn of market data lines keeps its last rank: neither it nor a lower one is entered.
    """
    ranking = bot.plan.ranking
    if ranking is None:
        return found, [each.member.symbol for each in found]
    values = {each.member.symbol: each.value for each in found if each.value is not None}
    passed = {each.member.symbol: each.missing for each in found if each.value is None}
    _remember(work, bot, values)
    waiting = _waiting(work, bot, found)
    sign = -1.0 if ranking.highest else 1.0
    known = sorted({**waiting, **values}.items(), key=lambda each: sign * each[1])
    taken = dict(known[: ranking.count])
    _note_ranking(work, bot, known, taken, {symbol: why for symbol, why in passed.items() if symbol not in waiting})
    by_symbol = {each.member.symbol: each for each in found}
    return [by_symbol[symbol] for symbol in taken if symbol in values], list(taken)


def _remember(work: StateBuilder, bot: CompiledBot, values: dict[str, float]) -> None:
    """Keep what symbols were ranked by, for as long as it counts while they wait for lines."""
    name = bot.plan.name
    kept = {
        symbol: found for symbol, found in work.bots.by_name[name].rank_values.items() if work.at - found[1] <= RANK_AGE
    }
    new = {**kept, **{symbol: (value, work.at) for symbol, value in values.items()}}
    set_bot(work, name, replace(work.bots.by_name[name], rank_values=new))


def _forget(work: StateBuilder, bot: CompiledBot) -> None:
    """Let a symbol wait without a rank: it is known that a condition of it does not hold."""
    name = bot.plan.name
    kept = {symbol: found for symbol, found in work.bots.by_name[name].rank_values.items() if symbol != bot.symbol}
    if len(kept) < len(work.bots.by_name[name].rank_values):
        set_bot(work, name, replace(work.bots.by_name[name], rank_values=kept))


def _waiting(work: StateBuilder, bot: CompiledBot, found: list[Candidate]) -> dict[str, float]:
    """Return the last ranks of symbols whose streamed data does not suffice to judge or rank them now."""
    view = view_of(work)
    missing = {each.member.symbol for each in found if each.value is None}
    judged = {each.member.symbol for each in found} - missing
    remembered = work.bots.by_name[bot.plan.name].rank_values
    return {
        member.symbol: remembered[member.symbol][0]
        for member in bot.members
        if member.symbol in remembered
        and member.symbol not in judged
        and (member.symbol in missing or _has_no_lines(member.bot, view))
    }


def _has_no_lines(bot: CompiledBot, view: View) -> bool:
    """Say whether the at-the-money options are not streamed, or unknown because there is no price."""
    pair = at_the_money(bot, view)
    return not pair or any(leg.row < 0 for leg in pair)


def _note_ranking(
    work: StateBuilder,
    bot: CompiledBot,
    known: list[tuple[str, float]],
    taken: dict[str, float],
    passed: dict[str, str],
) -> None:
    """Record a ranking when others are taken or passed over than at the last one."""
    name = bot.plan.name
    ranks = (tuple(taken), tuple(passed))
    if work.bots.by_name[name].last_ranking == ranks or bot.plan.ranking is None:
        return
    set_bot(work, name, replace(work.bots.by_name[name], last_ranking=ranks))
    reason = ", ".join(f"{symbol} {bot.plan.ranking.by} {value:g}" for symbol, value in taken.items()) or "none"
    if passed:
        reason += "; passed over: " + ", ".join(f"{symbol} ({missing})" for symbol, missing in passed.items())
    values: list[Json] = [{"symbol": symbol, "value": rounded(value)} for symbol, value in known]
    over: list[Json] = [{"symbol": symbol, "missing": missing} for symbol, missing in passed.items()]
    work.record(Kind.DECISION, name, what="rank", reason=reason, values=values, passed=over)


def _note_focus(work: StateBuilder, name: str, taken: list[str]) -> None:
    """Remember which symbols are worth the lines of their strikes: those taken, then all others that could be."""
    before = work.bots.by_name[name].subscribed_symbols
    focus = tuple(dict.fromkeys(taken))
    if focus != before:
        set_bot(work, name, replace(work.bots.by_name[name], subscribed_symbols=focus))


# ---------------------------------------------------------------- obstacles


def _report_halts(work: StateBuilder, bot: CompiledBot) -> None:
    """Record which symbols are halted or closed: they are not entered, whatever their conditions say."""
    for symbol in dict.fromkeys((*closed(work, bot.symbols), *halted(work, bot.symbols))):
        skip(work, bot.plan.name, not_trading(work, (symbol,)), symbol)


def _stands_in_the_way(work: StateBuilder, bot: CompiledBot) -> str:
    """Return why this symbol is not entered although it is taken, "" when it may be."""
    return next(filter(None, _reasons(work, bot)), "")


def _reasons(work: StateBuilder, bot: CompiledBot) -> Iterator[str]:
    name, session = bot.plan.name, work.schedule.session
    if any(leg.option.symbol == bot.symbol for position in positions_of(work, name) for leg in position.legs):
        yield "it is held"
    day = work.bots.by_name[name].day.of_member(bot.symbol)
    found = opportunity(bot.plan.entry, session, bot.window(session, work.at), day, 0, work.at)
    yield "" if found.is_open else found.reason or "its window"
    yield not_trading(work, (bot.symbol,))
