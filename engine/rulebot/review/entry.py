"""The section Enters: the window, how often, what must hold, and what makes a second entry."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rulebot.compile.plan import EntryPlan, Reentry, Rule
from rulebot.compile.timing import windows_of
from rulebot.core.program import CompiledBot
from rulebot.decide.entry_window import Span, spans
from rulebot.measure.words import NamingContext, listed
from rulebot.model.session import Anchor, DayTime, Session
from rulebot.model.text import counted, duration, short_clock, times
from rulebot.review.example import Subject
from rulebot.review.explanation import Explanation, Line, Section, sentence_line
from rulebot.spec.spec import Taken, UniverseDocument, Window
from rulebot.wording.condition import outline
from rulebot.wording.number import FULL_DAY, HALF_DAY, anchored


def entry_section(subject: Subject) -> Section:
    """Return when the bot may enter, how often, and only if what."""
    entry, cast = subject.plan.entry, subject.cast
    lines = [sentence_line(days_words(entry), window_words(subject), caps_words(entry), _judged(entry))]
    lines.append(Line(words="all times are New York's"))
    if entry.again is not None:
        lines.append(Line(words=again_words(entry.again)))
    if entry.when:
        head = "when all of these hold" if len(entry.when) > 1 else "when this holds"
        lines.append(Line(words=f"{head} (what is unknown does not):"))
    else:
        lines.append(Line(words="without a condition"))
    return Section("Enters", (*lines, *rule_lines(entry.when, cast)))


def rule_lines(rules: Iterable[Rule], cast: NamingContext) -> tuple[Line, ...]:
    """Return every rule with its name, groups with their members below."""
    found = (said for rule in rules for said in outline(rule, cast))
    return tuple(Line(words=said.words, name=said.name, depth=said.depth) for said in found)


# ---------------------------------------------------------------- the windows


DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays")
"""Every week day of the exchange; a test asks for each that `days` may name."""


def days_words(entry: EntryPlan) -> str:
    """Return on which week days it enters, nothing when it does on all."""
    return f"on {listed(tuple(DAYS[day] for day in entry.days), 'and')}" if entry.days else ""


def window_words(subject: Subject) -> str:
    """Return `10:30 to 13:30, half days to 12:30`, and why a window ends before the spec says."""
    written = windows_of(subject.spec.entry)
    ends = [end for _, end in spans_on(subject.bot, FULL_DAY)]
    said = listed(tuple(_span(window, end) for window, end in zip(written, ends, strict=True)), "and")
    return f"{said}{_on_half_days(subject.bot)}"


def _span(window: Window, last: datetime) -> str:
    start = window.start.on(FULL_DAY)
    end = start + timedelta(seconds=window.lasts or 0.0) if window.end is None else window.end.on(FULL_DAY)
    own = short_clock(end) if window.end is None else _at(window.end)
    if end <= last:
        return f"{_at(window.start)} to {own}"
    why = "the close" if last >= FULL_DAY.close else "the time exit"
    return f"{_at(window.start)} to {short_clock(last)} ({why}; its own end is {own})"


def _at(at: DayTime) -> str:
    clock = short_clock(at.on(FULL_DAY))
    return clock if at.anchor is Anchor.CLOCK and not at.zone else f"{clock} ({anchored(at)})"


def _on_half_days(bot: CompiledBot) -> str:
    """Return what an early close makes of the windows, nothing when they stay as they are."""
    full, half = (_clocks(spans_on(bot, day)) for day in (FULL_DAY, HALF_DAY))
    if full == half:
        return ""
    left = _clocks(_one_after_another(spans_on(bot, HALF_DAY)))
    if not left:
        return ", half days no entry"
    if len(full) == 1 and left[0][0] == full[0][0]:
        return f", half days to {left[0][1]}"
    return f", half days {listed(tuple(f'{start} to {end}' for start, end in left), 'and')}"


def _one_after_another(found: Iterable[Span]) -> Iterator[Span]:
    """Yield the remaining windows by the clock: one that opens during another begins after its end."""
    over = HALF_DAY.open
    for start, end in sorted(span for span in found if span[0] < span[1]):
        if end > over:
            yield max(start, over), end
            over = end


def _clocks(found: Iterable[Span]) -> list[tuple[str, str]]:
    return [(short_clock(start), short_clock(end)) for start, end in found]


def spans_on(bot: CompiledBot, day: Session) -> tuple[Span, ...]:
    """Return the windows on a day of this length, on any weekday."""
    return spans(replace(bot.plan.entry, days=()), day, bot.latest_entry(day))


# ---------------------------------------------------------------- how often


def caps_words(entry: EntryPlan) -> str:
    """Return `once a day`, with how many may be open at once where that is another number."""
    parts = [f"{times(entry.per_day)} a day" + (" at most" if entry.per_day > 1 else "")]
    if entry.per_week is not None:
        parts.append(f"{times(entry.per_week)} a week at most")
    if entry.max_open != entry.per_day:
        parts.append(f"{entry.max_open} open at once at most")
    return ", ".join(parts)


def _judged(entry: EntryPlan) -> str:
    often = "judged at every change" if entry.when else ""
    if entry.every:
        often = f"judged every {duration(entry.every).removeprefix('1 ')}"
    once = "decided by the first clear answer (try: once)" if entry.once else ""
    return ", ".join(part for part in (often, once) if part)


OUTCOMES = {
    "filled": "an entry that filled",
    "unfilled": "an entry that did not fill",
    "any": "after any result of the previous one",
}
"""What `again: {after: ..}` may name besides exits; a test asks for each."""


def again_words(again: Reentry) -> str:
    """Return what must have happened before another entry, and until when it may be made."""
    exits = tuple(name for name in again.after if name not in OUTCOMES)
    after = [OUTCOMES[name] for name in again.after if name in OUTCOMES]
    if {"filled", "unfilled"} <= set(again.after):
        after = ["an entry, filled or not"]
    if exits:
        after.append(f"a position closed by {listed(exits, 'or')}")
    until = f" until {_at(again.until)}" if again.until is not None else ", until the window's end"
    most = f", {counted(again.at_most, 'time')} at most" if again.at_most is not None else ""
    return f"may enter again {duration(again.wait)} after {_either(after)}{until}{most}"


def _either(parts: Sequence[str]) -> str:
    return listed(tuple(parts), "or")


# --- The section Universe

PAIR = NamingContext(longs=("put", "call"))
"""The subject of a universe's conditions."""


def universe_section(subject: Subject) -> Section:
    """Return the symbols of a bot with a universe, nothing of one without."""
    plan = subject.plan
    if not plan.members:
        return Section("Universe", ())
    symbols = tuple(member.symbol for member in plan.members)
    words = f"{counted(len(symbols), 'symbol')}, one position each: {listed(symbols, 'and')}"
    taken = None if subject.spec.universe is None else subject.spec.universe.taken
    lines = [
        Line(words=words),
        *([] if taken is None else [Line(words=taken_words(taken))]),
        Line(words="caps count the bot; one entry works at a time"),
    ]
    if plan.members[0].require:
        lines.append(Line(words="of a symbol's put and call at the money is asked:"))
        lines += rule_lines(plan.members[0].require, PAIR)
    ranking = plan.ranking
    if ranking is not None:
        of = ", of the legs it would take" if ranking.of_structure else ""
        words = f"of those whose conditions hold {rank_words(ranking.by, ranking.highest, ranking.count)}{of}"
        lines.append(Line(words=f"{words}; one whose rank is unknown is passed over"))
    else:
        lines.append(Line(words="of those whose conditions hold the first in this order is entered"))
    lines.append(Line(words=f"what follows describes {symbols[0]}"))
    return Section("Universe", tuple(lines))


def taken_words(taken: Taken) -> str:
    """Return the origin of symbols: `taken from liquid.yaml: indexes and sector_etfs, without SPX`."""
    words = f"taken from {taken.file}: {listed(taken.categories, 'and')}"
    return f"{words}, without {listed(taken.without, 'and')}" if taken.without else words


def explain_universe(name: str, document: UniverseDocument) -> Explanation:
    """Return the categories of a universe document."""
    lines = tuple(
        Line(name=category, words=f"{counted(len(symbols), 'symbol')}: {', '.join(symbols)}")
        for category, symbols in document.categories.items()
    )
    first = next(iter(document.categories))
    how = f"by a bot next to this file: 'universe: {{file: {name}.yaml, categories: [{first}]}}'"
    return Explanation(
        kind="universe",
        name=name,
        about=document.about,
        sections=(Section("Categories", lines), Section("Taken", (Line(words=how),))),
    )


def rank_words(by: str, highest: bool, count: int) -> str:
    """Return which symbols are taken: `the 3 with the highest iv_over_rv`."""
    which = "highest" if highest else "lowest"
    return f"the one with the {which} {by}" if count == 1 else f"the {count} with the {which} {by}"
