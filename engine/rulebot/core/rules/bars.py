"""Newer bars, and volatilities of a year: kept among the facts. Whoever reads new bars is judged."""

from rulebot.core.state.builder import StateBuilder
from rulebot.measure.series import name_of
from rulebot.model.event import BarsReport, ImpliedReport
from rulebot.model.values import replace
from rulebot.record.record import Kind


def take_bars(work: StateBuilder, event: BarsReport) -> None:
    """Keep the bars."""
    facts, key = work.market.facts, (event.symbol, event.seconds)
    last = event.bars.bars[-1].close if event.bars.bars else None
    work.record(Kind.FACTS, symbol=event.symbol, what=f"bars {name_of(event.seconds)}", value=last)
    for name in work.bots.by_name:
        if any(key in text.plan.needs.bars for text in work.texts_of(name)):
            work.set_wake(name, work.at)
    work.put_facts(replace(facts, bars={**facts.bars, key: event.bars}))


def take_implied(work: StateBuilder, event: ImpliedReport) -> None:
    """Keep the volatilities."""
    facts = work.market.facts
    work.record(Kind.FACTS, symbol=event.symbol, what="implied volatility", value=len(event.values))
    work.put_facts(replace(facts, implied={**facts.implied, event.symbol: event.values}))
