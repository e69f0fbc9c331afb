"""The front door: a spec and its plan to an Explanation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import takewhile

from rulebot.compile.build import values_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.plan import Lifecycle, Plan
from rulebot.compile.scope import scope_of_let
from rulebot.compile.variants import variants
from rulebot.drawing import style
from rulebot.measure.words import listed
from rulebot.model.market import example_level
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
from rulebot.review.states import Labels, labels, meaning, paths, state_svg
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


def for_each(subject: Subject, told: Callable[[Subject], Section]) -> Section:
    """Return a section told of every alternative under its name; what all share stands once, at its head or its end."""
    if not subject.alternatives:
        return told(subject)
    found = [(name, told(each)) for name, each in subject.alternatives]
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
    levels = [(symbol, example_level(symbol)) for symbol in subject.plan.underlyings]
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


# --- One page of HTML that needs nothing but itself

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf8;--box:#fff;--ink:#1d1d1b;--soft:#6b6862;--rule:#dcd8d0;
--gain:#2a7d4f;--loss:#b3382c}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#171716;--box:#22211f;--ink:#ecebe7;--soft:#a09c94;--rule:#3a3834;
--gain:#58b884;--loss:#e0776b}}
body{margin:2rem auto;max-width:62rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:2.5rem 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1rem;color:var(--soft);margin:1.8rem 0 .4rem;border-top:1px solid var(--rule);padding-top:.6rem}
h3{font-size:1rem;font-weight:normal;margin:1rem 0 .2rem}
p{margin:.2rem 0} nav{margin:1rem 0} nav a{margin-right:1rem} a{color:inherit}
table{border-collapse:collapse;margin:.3rem 0} th{font-weight:normal;text-align:left;color:var(--soft)}
td,th{padding:.15rem 1rem .15rem 0;vertical-align:top}
.name{font-family:ui-monospace,monospace;font-size:.9rem;white-space:nowrap} .mark,.note,.about{color:var(--soft)}
.drawing{overflow-x:auto} svg{display:block;width:100%;min-width:23rem;height:auto;margin:.5rem 0}
svg.payoff{max-width:40rem} svg.states{max-width:36rem}
footer{color:var(--soft);font-size:.85rem;margin:3rem 0}
@media(max-width:36rem){body{margin:1rem auto} tr{display:block;margin:.3rem 0} tr.head{display:none}
td{display:block;padding:0 0 0 1.2rem} td.mark{float:left;padding:0} td.name{padding:0 0 0 1.2rem;white-space:normal}
td.mark:empty+td.name{padding-left:0} .moves td.name{display:inline;padding:0 .6rem 0 0}}
@media print{:root{color-scheme:light;--paper:#fff;--box:#fff;--ink:#000;--soft:#555;--rule:#bbb;--gain:#2a7d4f;
--loss:#b3382c} body{margin:0;max-width:none;font-size:10pt} nav{display:none} .drawing{overflow:visible}
svg{min-width:0;print-color-adjust:exact;-webkit-print-color-adjust:exact} h2,h3{break-after:avoid}
tr,p,svg{break-inside:avoid} article+article{break-before:page}}
"""


def page_of(found: Sequence[Explanation]) -> str:
    """Return the page of one or several explanations."""
    title = escape(", ".join(each.name for each in found))
    body = _contents(found) + "".join(
        f'<article id="a{at}">{"".join(_article(each))}</article>' for at, each in enumerate(found)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{style()}{STYLE}</style></head><body>{body}<footer>Written by rulebot explain. The example stands in "
        "a market made up for it, and is nobody's forecast.</footer></body></html>\n"
    )


def _article(found: Explanation) -> Iterator[str]:
    yield f'<h1>{escape(found.name)}</h1><p class="about">{escape(found.about)}</p>'
    for section in found.sections:
        yield f"<section><h2>{escape(section.title)}</h2>{''.join(_lines(section))}</section>"
    if found.payoffs:
        yield f"<section><h2>At expiry</h2>{''.join(_payoff_images(found))}</section>"
    if found.lifecycle is not None:
        drawing = _framed(state_svg(found.lifecycle, found.labels))
        yield f"<section><h2>States</h2>{drawing}{_moves(found.lifecycle, found.labels)}</section>"


def _contents(found: Sequence[Explanation]) -> str:
    """Return links to several explanations, nothing for one."""
    if len(found) == 1:
        return ""
    links = (f'<a href="#a{at}">{escape(each.name)}</a>' for at, each in enumerate(found))
    return f"<nav>{' '.join(links)}</nav>"


def _framed(drawing: str) -> str:
    """Return a drawing that scrolls by itself where the page is narrower than can be read."""
    return f'<div class="drawing">{drawing}</div>'


def _payoff_images(found: Explanation) -> Iterator[str]:
    of = found.figures.get("alternatives", {})
    for name, payoff in found.payoffs.items():
        figures = of.get(name, {}) if name and isinstance(of, Mapping) else found.figures
        if name:
            yield f'<h3 class="name">{escape(name)}</h3>'
        yield f"<p>{escape(payoff_words(figures, payoff))}</p>{_framed(payoff_svg(payoff))}"


def payoff_words(figures: Mapping[str, object], payoff: Payoff) -> str:
    """Return what is drawn, at which price, where it makes nothing, its most and its least."""
    parts = [f"{figures.get('structure', '')} at {figures.get('price', '')}"]
    if payoff.assumed:
        parts.append(f"drawn with {payoff.assumed} at expiry, which nothing holds there")
    even = listed(tuple(plain(each) for each in payoff.break_evens), "and")
    if even or not payoff.assumed:
        parts.append(f"breaks even at {even}" if even else "breaks even nowhere")
    return "; ".join([*parts, profit_words(payoff), loss_words(payoff)])


def _moves(table: Lifecycle, labels: Labels) -> str:
    """Return every move of the table with what it means, as the drawing has room for its name alone."""
    head = '<tr class="head"><th>from, to</th><th>move</th><th>means</th></tr>'
    rows = "".join(
        f'<tr><td class="name">{escape(row.state)} → {escape(row.next)}</td>'
        f'<td class="name">{escape(row.trigger)}</td><td>{escape(meaning(row, labels))}</td></tr>'
        for row in table.rows
    )
    return f'<table class="moves">{head}{rows}</table>'


def _lines(section: Section) -> Iterator[str]:
    """Yield sentences as paragraphs and runs of names as tables."""
    rows: list[Line] = []
    for line in (*section.lines, Line(words="")):
        if line.name:
            rows.append(line)
            continue
        if rows:
            yield f"<table>{''.join(_row(row) for row in rows)}</table>"
            rows = []
        if line.words:
            yield f"<p>{escape(line.words)}</p>"


def _row(line: Line) -> str:
    indent = f' style="padding-left:{1.2 * line.depth:.1f}rem"' if line.depth else ""
    note = f'<br><span class="note">{escape(line.note)}</span>' if line.note else ""
    return (
        f'<tr><td class="mark">{escape(line.mark)}</td><td class="name"{indent}>{escape(line.name)}</td>'
        f"<td>{escape(line.words)}{note}</td></tr>"
    )
