"""One page of HTML that needs nothing but itself: the words, the payoff at expiry, the states; light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from engine.review import amounts
from engine.review.explanation import Explanation, Line, Section
from engine.review.payoff import Payoff
from engine.review.payoff_svg import loss_words, payoff_svg, profit_words
from engine.review.state_svg import state_svg

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf8;--box:#fff;--ink:#1d1d1b;--soft:#6b6862;--rule:#dcd8d0;
--gain:#2a7d4f;--loss:#b3382c}
@media(prefers-color-scheme:dark){:root{--paper:#171716;--box:#22211f;--ink:#ecebe7;--soft:#a09c94;--rule:#3a3834;
--gain:#58b884;--loss:#e0776b}}
body{margin:2rem auto;max-width:62rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:2.5rem 0 .2rem}
h2{font-size:.85rem;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);
margin:1.8rem 0 .4rem;border-top:1px solid var(--rule);padding-top:.6rem}
p{margin:.2rem 0} table{border-collapse:collapse;margin:.3rem 0} td{padding:.15rem 1rem .15rem 0;vertical-align:top}
td.name{font-family:ui-monospace,monospace;font-size:.9rem;white-space:nowrap} td.mark,td.note{color:var(--soft)}
svg{width:100%;height:auto;margin:.5rem 0} .about{color:var(--soft)}
footer{color:var(--soft);font-size:.85rem;margin:3rem 0}
"""


def page_of(found: Sequence[Explanation]) -> str:
    """Return the page of one or several explanations."""
    title = escape(", ".join(each.name for each in found))
    body = "".join(f"<article>{''.join(_article(each))}</article>" for each in found)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{body}<footer>Written by rulebot explain. The example stands in a market "
        "made up for it, and is nobody's forecast.</footer></body></html>\n"
    )


def _article(found: Explanation) -> Iterator[str]:
    yield f'<h1>{escape(found.name)}</h1><p class="about">{escape(found.about)}</p>'
    for section in found.sections:
        yield f"<section><h2>{escape(section.title)}</h2>{''.join(_lines(section))}</section>"
    if found.payoff is not None:
        yield f"<section><h2>At expiry</h2>{_payoff_words(found, found.payoff)}{payoff_svg(found.payoff)}</section>"
    if found.lifecycle is not None:
        yield f"<section><h2>States</h2>{state_svg(found.lifecycle, found.labels)}</section>"


def _payoff_words(found: Explanation, payoff: Payoff) -> str:
    structure, price = found.figures.get("structure", ""), found.figures.get("price", "")
    even = " and ".join(amounts.plain(each) for each in payoff.break_evens)
    parts = [f"{structure} at {price}"]
    parts += [f"breaks even at {even}"] if even else ["breaks even nowhere"]
    parts += [profit_words(payoff), loss_words(payoff)]
    if payoff.assumed:
        parts.append(f"drawn with {payoff.assumed}, which nothing holds there")
    return f"<p>{escape('; '.join(parts))}</p>"


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
