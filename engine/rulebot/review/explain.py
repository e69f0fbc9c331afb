"""The front door: a spec and its plan to an Explanation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, takewhile

from rulebot.compile.build import values_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.plan import Plan
from rulebot.compile.scope import scope_of_let
from rulebot.compile.variants import variants
from rulebot.measure.words import listed
from rulebot.model.market import example_price
from rulebot.model.payoff import ends_together
from rulebot.model.text import plain, price
from rulebot.review.entry import entry_section, rule_lines, universe_section
from rulebot.review.example import Subject, subject_of
from rulebot.review.exit_levels import level_of
from rulebot.review.exits import exits_section
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.review.max_loss import max_loss_of
from rulebot.review.orders import orders_section
from rulebot.review.payoff import Payoff, loss_words, payoff_of, payoff_svg, profit_words
from rulebot.review.risk import risk_section
from rulebot.review.states import labels, meaning, paths, state_svg
from rulebot.review.structure import legs_section
from rulebot.spec.nouns import Let
from rulebot.spec.spec import Spec
from rulebot.wording.number import number_words

# --- A bot with a choice, explained

_UNKNOWN = "one that is unknown ends the choice without a trade"
_AGAIN = "chosen again before each try, and another choice ends the order"


def structures(subject: Subject) -> tuple[Section, ...]:
    """Return the legs; of a bot with a choice how it chooses, and the legs of each alternative under its name."""
    if not subject.alternatives:
        return (legs_section(subject),)
    return (_chooses(subject), *(Section(name, legs_section(each).lines) for name, each in subject.alternatives))


def _chooses(subject: Subject) -> Section:
    last = subject.bot.choices[-1]
    none = "" if not last.when else "; none, no trade"
    lines = [Line(words=_AGAIN), Line(words=f"the first of these that holds is taken; {_UNKNOWN}{none}:")]
    for number, choice in enumerate(subject.bot.choices, 1):
        words = "when all of this holds" if choice.when else "always"
        lines.append(Line(mark=str(number), name=choice.name, words=words))
        rules = tuple(compiled.rule for compiled in choice.when)
        lines += [
            Line(words=line.words, name=line.name, depth=line.depth + 1) for line in rule_lines(rules, subject.cast)
        ]
    return Section("Chooses", tuple(lines))


def for_each(subject: Subject, reported: Callable[[Subject], Section]) -> Section:
    """Return a section of every alternative under its name; shared lines appear once, at its head or its end."""
    if not subject.alternatives:
        return reported(subject)
    found = [(name, reported(each)) for name, each in subject.alternatives]
    shared = [line for line in found[0][1].lines if _is_shared(line, [section for _, section in found])]
    own = [(name, [line for line in section.lines if line not in shared]) for name, section in found]
    head = tuple(takewhile(lambda line: line in shared, found[0][1].lines))
    shared = shared[len(head) :]
    lines = [line for name, lines in own if lines for line in (Line(words=f"{name}:"), *lines)]
    if lines and shared:
        lines.append(Line(words="both:" if len(found) == 2 else "all of them:"))
    return Section(found[0][1].title, (*head, *lines, *shared))


def _is_shared(line: Line, sections: Sequence[Section]) -> bool:
    return not line.name and not line.words.endswith(":") and all(line in section.lines for section in sections)


# --- The front door


def explain_bot(spec: Spec, plan: Plan) -> Explanation:
    """Return what a bot does, in sentences, on one example, and as drawings."""
    subject = subject_of(spec, plan)
    reported = (_values(subject), universe_section(subject), entry_section(subject), *structures(subject))
    sections = (
        *reported,
        *(for_each(subject, section) for section in (orders_section, exits_section, risk_section)),
        _accepts(subject),
    )
    return Explanation(
        kind="bot",
        name=spec.name,
        about=spec.about,
        sections=tuple(section for section in sections if section.lines),
        states=paths(subject),
        labels=labels(subject),
        lifecycle=plan.lifecycle,
        payoffs=_payoffs(subject),
        figures=_figures(subject),
    )


def _values(subject: Subject) -> Section:
    """Return the parameters with their values, and what each let names."""
    spec = subject.spec
    given = [f"{each.name} {each.text.strip()}{' (--set)' if each.overridden else ''}" for each in spec.parameters]
    lines = [Line(words=", ".join(given))] if given else []
    if named := [f"{let.name} is {_let_words(let, subject)}" for let in spec.lets]:
        lines.append(Line(words=", ".join(named)))
    return Section("Values", tuple(lines))


def _accepts(subject: Subject) -> Section:
    """Return the warnings that the spec switches off, with their reasons."""
    accepted = subject.spec.accept.items()
    return Section("Accepts", tuple(Line(name=code, words=reason) for code, reason in accepted))


def _let_words(let: Let, subject: Subject) -> str:
    spec = variants(subject.spec)[0].spec
    scope = scope_of_let(spec, let, values_of(spec))
    return number_words(number_of_name(let.name, scope, let.path), subject.cast)


def _payoffs(subject: Subject) -> dict[str, Payoff]:
    """Return what the example makes at expiry, of a bot with a choice that of each alternative.

    Legs that do not end together have no such line.
    """
    levels = [(symbol, example_price(symbol)) for symbol in subject.plan.underlyings]
    covered = subject.plan.overwrite is not None
    found = [(name, each.example) for name, each in subject.alternatives or (("", subject),)]
    return {
        name: replace(payoff_of(example.position.legs, levels, example.position.net), covered=covered)
        for name, example in found
        if example and ends_together((leg.option, 1) for leg in example.position.legs)
    }


def _figures(subject: Subject) -> dict[str, object]:
    """Return the numbers of the example; of a bot with a choice those of each alternative."""
    if subject.alternatives:
        return {"alternatives": {name: _figures(each) for name, each in subject.alternatives}}
    example, worst = subject.example, max_loss_of(subject)
    if example is None:
        return {}
    found = {planned.name: level_of(planned, example) for planned in subject.exits}
    return {
        "market": example.market,
        "structure": example.structure,
        "price": price(example.net),
        "opens_for": subject.plan.opens_for,
        "commission": str(example.commission),
        "worst_case": None if worst is None or worst.amount is None else str(worst.amount),
        "exits": {
            name: {"price": price(round(found.net, 2)), "dollars": str(round(found.made, 2))}
            for name, found in found.items()
            if found is not None
        },
    }


# --- One page of HTML that needs nothing but itself: the words, the payoff at expiry, the states


def page_of(found: Sequence[Explanation]) -> str:
    """Return the page of one or several explanations."""
    from rulebot.pages import written_page  # only here: its library takes longer than an explanation

    title = ", ".join(each.name for each in found)
    return written_page("explain", title=title, articles=[_article(each) for each in found])


def _article(found: Explanation) -> Mapping[str, object]:
    table, labels = found.lifecycle, found.labels
    return {
        "found": found,
        "sections": [(section.title, _runs(section.lines)) for section in found.sections],
        "payoffs": list(_payoff_images(found)),
        "states": "" if table is None else state_svg(table, labels),
        "moves": () if table is None else [(row, meaning(row, labels)) for row in table.rows],
    }


def _runs(lines: Sequence[Line]) -> list[tuple[bool, list[Line]]]:
    """Return runs of names, which are tables, and of sentences."""
    return [(is_named, list(run)) for is_named, run in groupby(lines, lambda line: bool(line.name))]


def _payoff_images(found: Explanation) -> Iterator[tuple[str, str, str]]:
    """Yield name, words and drawing of each alternative, or of the only structure under ""."""
    of = found.figures.get("alternatives", {})
    for name, payoff in found.payoffs.items():
        figures = of.get(name, {}) if name and isinstance(of, Mapping) else found.figures
        yield name, payoff_words(figures, payoff), payoff_svg(payoff)


def payoff_words(figures: Mapping[str, object], payoff: Payoff) -> str:
    """Return what is drawn, at which price, where it makes nothing, its most and its least."""
    parts = [f"{figures.get('structure', '')} at {figures.get('price', '')}"]
    if payoff.assumed:
        parts.append(f"drawn with {payoff.assumed} at expiry, which nothing holds there")
    even = listed(tuple(plain(each) for each in payoff.break_evens), "and")
    if even or not payoff.assumed:
        parts.append(f"breaks even at {even}" if even else "breaks even nowhere")
    return "; ".join([*parts, profit_words(payoff), loss_words(payoff)])
