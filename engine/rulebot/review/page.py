"""One page of HTML that needs nothing but itself: the words, the payoff at expiry, the states; light and dark."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from rulebot.compile.plan import Lifecycle
from rulebot.drawing import style
from rulebot.measure.words import listed
from rulebot.model.text import plain
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.review.payoff import Payoff, loss_words, payoff_svg, profit_words
from rulebot.review.states import Labels, meaning, state_svg

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
        yield f"<section><h2>At expiry</h2>{''.join(_payoffs(found))}</section>"
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


def _payoffs(found: Explanation) -> Iterator[str]:
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
