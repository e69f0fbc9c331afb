"""The dry selection in words: what each bot would choose now, what it would bring, or why it chooses nothing."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from rulebot.decide.opportunity import shut
from rulebot.doctor.finding import Finding, Group, fine, unchecked, warning
from rulebot.model.session import EXCHANGE_ZONE, Session
from rulebot.model.structure import strike_of, structure_text
from rulebot.narrate.position_text import price
from rulebot.preview.candidate import Candidate
from rulebot.preview.choose_structure import Looked
from rulebot.preview.read_only_session import ReadOnlySession

_MEND = "unknown never enters: see market data and calendars above"


class Hours(Protocol):
    """The instant at which legs were chosen, and its session."""

    @property
    def at(self) -> datetime: ...

    @property
    def session(self) -> Session: ...

    @property
    def is_in_hours(self) -> bool: ...


def chosen_legs(visit: ReadOnlySession, looked: Looked) -> Iterator[Finding]:
    """Yield a line for each structure."""
    for candidate in looked.candidates:
        yield told_legs(visit, candidate)


def told_legs(visit: Hours, candidate: Candidate) -> Finding:
    """Return the line of a structure that was judged."""
    name, selection = candidate.bot.key, candidate.selection
    assert selection is not None
    quote_missing = candidate.quote.missing if candidate.quote is not None else ""
    if missing := selection.missing or quote_missing:
        if not visit.is_in_hours:
            return unchecked(Group.LEGS, name, f"the exchange is closed: {missing}")
        return warning(Group.LEGS, name, f"nothing can be chosen: {missing}", _MEND)
    if selection.refused:
        return fine(Group.LEGS, name, f"nothing fits now: {selection.refused}")
    text = "; ".join((_structure(candidate), *_but(visit, candidate)))
    unknown = [f"unknown: {each.words}" for each in candidate.unknown]
    return warning(Group.LEGS, name, "; ".join((text, *unknown)), _MEND) if unknown else fine(Group.LEGS, name, text)


def _structure(candidate: Candidate) -> str:
    """Return `would sell 5920/5930p 6005/6015c of 2026-10-21 at 1.65 (at once 1.50)`."""
    assert candidate.selection is not None
    assert candidate.quote is not None
    legs = candidate.selection.legs
    text = structure_text(strike_of(leg.option, leg.ratio, leg.sign) for leg in legs)
    expiries = sorted({leg.option.expiry for leg in legs if not leg.option.is_share})
    of = f" of {expiries[0]}" if len(expiries) == 1 else ""
    mid, natural = candidate.quote.mid or 0.0, candidate.quote.natural or 0.0
    verb = "sell" if mid > 0 else "buy"
    return f"would {verb} {text}{of} at mid {price(mid)} (at once {price(natural)})"


def _but(visit: Hours, candidate: Candidate) -> Iterator[str]:
    """Yield what keeps it from being entered at this instant."""
    if candidate.refused:
        yield f"but no count of it fits: {candidate.refused}"
    for words in filter(None, (candidate.legging, candidate.hit)):
        yield f"but {words}"
    for each in candidate.halts:
        if each.verdict.truth is True:
            yield f"but it halts for the day: {each.words}"
    missed = [each for each in (*candidate.when, *candidate.require) if each.verdict.truth is False]
    for each in missed:
        yield f"but {each.words}"
    bot = candidate.bot
    start, end = bot.window(visit.session, visit.at)
    if reason := shut(bot.plan.entry, visit.session, bot.windows(visit.session)):
        yield f"but {reason}"
    elif not start <= visit.at < end:
        zone = EXCHANGE_ZONE
        yield f"outside its window {start.astimezone(zone):%H:%M} to {end.astimezone(zone):%H:%M}"
