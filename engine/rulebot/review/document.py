"""An explanation as plain data, for machines: the same words, and the numbers behind them."""

from typing import Any

from rulebot.review.explanation import Explanation, Line
from rulebot.review.payoff import Payoff


def document_of(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as what JSON can hold; prices and dollars are text, so that no digit is lost."""
    found: dict[str, Any] = {
        "kind": explanation.kind,
        "name": explanation.name,
        "about": explanation.about,
        "sections": [
            {"title": section.title, "lines": [_line(line) for line in section.lines]}
            for section in explanation.sections
        ],
    }
    if explanation.lifecycle is not None:
        rows = explanation.lifecycle.rows
        found["states"] = {
            "names": list(explanation.lifecycle.states),
            "moves": [{"state": row.state, "trigger": row.trigger, "next": row.next} for row in rows],
        }
    drawn = {name: _payoff(payoff) for name, payoff in explanation.payoffs.items()}
    if drawn:
        found |= {"payoff": drawn[""]} if "" in drawn else {"payoffs": drawn}
    return found | ({"example": dict(explanation.figures)} if explanation.figures else {})


def _line(line: Line) -> dict[str, Any]:
    named = {"name": line.name, "mark": line.mark, "note": line.note}
    depth = {"depth": line.depth} if line.depth else {}
    return {**{key: text for key, text in named.items() if text}, **depth, "words": line.words}


def _payoff(payoff: Payoff) -> dict[str, Any]:
    return {
        "symbol": payoff.symbol,
        "points": [[str(price), str(made)] for price, made in payoff.points],
        "break_evens": [str(price) for price in payoff.break_evens],
        "best": None if payoff.best is None else str(payoff.best),
        "worst": None if payoff.worst is None else str(payoff.worst),
        **({"assumed": payoff.assumed} if payoff.assumed else {}),
        **({"covered": True} if payoff.covered else {}),
    }
