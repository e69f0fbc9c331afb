"""One bot's page: its spec, what it does in words, the states of its positions, and why it did or did not trade."""

from datetime import date
from functools import lru_cache
from typing import Any

from rulebot.adapters.clock import WallClock
from rulebot.chart.chart_data import chart_of_day
from rulebot.chart.svg import chart_svg, mark_words
from rulebot.compile.build import build_plan
from rulebot.documents.parameter_overrides import kept_in
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.explain_day import why_day
from rulebot.narrate.explain_text import explanation_lines
from rulebot.record.record import Kind
from rulebot.review.explain import explain_bot
from rulebot.review.state_svg import state_svg
from rulebot.review.text import text_of
from rulebot.spec.load import load_text
from rulebot.store.broker_time import broker_now
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.web.known import standby_bots
from rulebot.web.numbers import numbers_of_bot
from rulebot.web.parameters import parameter_lines

SHOWN_VERDICTS = 200
"""Changes of verdicts that are listed of a day, the last ones."""
_TRUTH = {True: "true", False: "false", None: "unknown"}


def bot_page(store: Place, name: str, day: date | None) -> dict[str, Any] | None:
    """Return what the page of a bot shows of a session (None: its last one); None for a bot the store does not know.

    Raises: StoreError.
    """
    with StoreReader(store) as reader:
        if name not in reader.bots():
            return None
        run = reader.run()
        session = day or reader.last_day(name, broker_now(reader, WallClock().now()))
        records = reader.day(name, session) if session else ()
        trades = reader.trades(strategy_id=name)
        told = why_day(reader, session, records, trades) if session and records else None
        kept = kept_in(reader)
        chart = chart_of_day(reader, name, session) if session else None
        states = [str(row["state"]) for row in reader.view("open_positions", strategy_id=name)]
    text = run.specs.get(name) or {}
    lit = frozenset(states or ("flat",))
    explained, drawing = _explained(
        str(text.get("text") or ""), tuple(sorted(dict(text.get("overrides") or {}).items())), lit
    )
    verdicts = [
        {
            "clock": f"{record.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}",
            "rule": str(record.data.get("rule") or ""),
            "place": str(record.data.get("place") or "").partition(":")[0],
            "truth": _TRUTH[record.data["truth"]],  # type: ignore[index]
            "words": " ".join(str(record.data.get("words") or "").split()),
        }
        for record in records
        if record.kind is Kind.VERDICT
    ]
    return {
        "name": name,
        **standby_bots(run),
        "path": str(text.get("path") or ""),
        "text": str(text.get("text") or ""),
        "state": run.state(name, holds=bool(states)),
        "session": session,
        "why": "\n".join(explanation_lines(name, session, told)) if session and told else "",
        "chart": "" if chart is None else chart_svg(chart),
        "marks": () if chart is None else tuple((mark, mark_words(mark)) for mark in chart.marks),
        "explained": explained,
        "drawing": drawing,
        "verdicts": verdicts[-SHOWN_VERDICTS:],
        "left_out": max(len(verdicts) - SHOWN_VERDICTS, 0),
        "trades": trades[::-1],
        "parameters": parameter_lines(text, kept, name),
        "numbers": numbers_of_bot(text),
    }


@lru_cache(maxsize=64)
def _explained(text: str, overrides: tuple[tuple[str, str], ...], lit: frozenset[str]) -> tuple[str, str]:
    """Return a spec in words, and its states as SVG; "" for what this version cannot read any more."""
    if not text:
        return "", ""
    loaded = load_text(text, "the store", dict(overrides))
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    if loaded.spec is None or plan is None:
        return "", ""
    found = explain_bot(loaded.spec, plan)
    drawing = state_svg(found.lifecycle, found.labels, lit=lit, has_style=False) if found.lifecycle else ""
    return text_of(found), drawing
