"""The section Universe: which symbols, what they must offer, and which of them are taken."""

from rulebot.evaluate.phrases import NamingContext, listed
from rulebot.review.amounts import counted
from rulebot.review.enters import rule_lines
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.review.subject import Subject
from rulebot.spec.spec import Taken, UniverseDocument

PAIR = NamingContext(longs=("put", "call"))
"""Whom the conditions of a universe speak of."""


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
        Line(words="caps count the bot; one entry is at work at a time"),
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
    lines.append(Line(words=f"what follows is told of {symbols[0]}"))
    return Section("Universe", tuple(lines))


def taken_words(taken: Taken) -> str:
    """Return where symbols stand: `taken from liquid.yaml: indexes and sector_etfs, without SPX`."""
    words = f"taken from {taken.file}: {listed(taken.categories, 'and')}"
    return f"{words}, without {listed(taken.without, 'and')}" if taken.without else words


def explain_universe(name: str, document: UniverseDocument) -> Explanation:
    """Return the categories of a universe document."""
    lines = tuple(
        Line(name=category, words=f"{counted(len(symbols), 'symbol')}: {', '.join(symbols)}")
        for category, symbols in document.categories.items()
    )
    first = next(iter(document.categories))
    how = f"by a bot beside this file: 'universe: {{file: {name}.yaml, categories: [{first}]}}'"
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
