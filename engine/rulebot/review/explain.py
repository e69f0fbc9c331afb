"""The front door: a spec and its plan to an Explanation."""

from dataclasses import replace

from rulebot.compile.build import values_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.plan import Plan
from rulebot.compile.scope import scope_of_let
from rulebot.compile.variants import variants
from rulebot.model.example_market import level
from rulebot.model.payoff import ends_together
from rulebot.review.alternatives import for_each, structures
from rulebot.review.amounts import price
from rulebot.review.enters import entry_section
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.review.leaves import exits_section
from rulebot.review.levels import level_of
from rulebot.review.members import universe_section
from rulebot.review.numbers import number_words
from rulebot.review.orders import orders_section
from rulebot.review.payoff import Payoff, payoff_of
from rulebot.review.risks import risk_section
from rulebot.review.states import labels, paths
from rulebot.review.subject import Subject, subject_of
from rulebot.review.worst import max_loss_of
from rulebot.spec.nouns.condition import Let
from rulebot.spec.spec import Spec


def explain_bot(spec: Spec, plan: Plan) -> Explanation:
    """Return what a bot does, in sentences, on one example, and as drawings."""
    subject = subject_of(spec, plan)
    told = (_values(subject), universe_section(subject), entry_section(subject), *structures(subject))
    sections = (
        *told,
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
    levels = [(symbol, level(symbol)) for symbol in subject.plan.underlyings]
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
