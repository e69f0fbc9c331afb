"""Inputs of rules beside quotes: web hooks, bars, and clocks that were set back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts, put_order, put_position, set_bot, set_wake
from rulebot.core.state.lists import active_positions, all_live_orders, orders_of, texts_of
from rulebot.core.state.state import BotState, ConfirmationProgress
from rulebot.measure.series import name_of
from rulebot.model.event import BarsReport, ImpliedReport, WebhookReceived
from rulebot.model.facts import Hook
from rulebot.model.session import Session, at_exchange_time
from rulebot.model.values import replace
from rulebot.record.codec import utc_text
from rulebot.record.record import Kind

Hooks = Mapping[str, Hook]
A_DAY = 86400.0
"""Age in seconds at which a hook expires, whatever a rule says: it is no longer of today."""


def after_hook(hooks: Hooks | None, name: str, says: str, came: datetime) -> Hooks:
    """Return the last hooks by name, without late ones; a restart folds the recorded ones in the same way."""
    known = hooks or {}
    last = known.get(name)
    return known if last is not None and last.came > came.timestamp() else {**known, name: Hook(came.timestamp(), says)}


def expiries(hooks: Hooks | None, texts: Iterable[CompiledBot], after: datetime) -> set[datetime]:
    """Return when a hook will have come too long ago for the rules of these texts."""
    known = hooks or {}
    asked = {each for text in texts for each in text.plan.needs.hooks if each[0] in known}
    found = {
        datetime.fromtimestamp(known[name].came, UTC) + timedelta(seconds=min(within, A_DAY)) for name, within in asked
    }
    return {at for at in found if at > after}


def of_day(hooks: Hooks | None, session: Session) -> Hooks | None:
    """Return the hooks without those of earlier days."""
    if hooks is None:
        return None
    midnight = at_exchange_time(session.date, time()).timestamp()
    return {name: hook for name, hook in hooks.items() if hook.came >= midnight}


def hook_came(work: StateBuilder, event: WebhookReceived) -> None:
    """Apply a hook, once; rules that read its name are judged now and when it expires."""
    facts, hook_ids = work.market.facts, work.requests.hook_ids
    if event.id in hook_ids:
        return
    governing_texts = {name: texts_of(work, name) for name in work.bots.by_name}
    asking = {
        name: texts
        for name, texts in governing_texts.items()
        if any(event.name in text.plan.needs.hook_names for text in texts)
    }
    work.record(
        Kind.WEBHOOK,
        id=event.id,
        name=event.name,
        says=event.says,
        came=utc_text(event.came),
        asked_by=[*sorted(asking)],
    )
    facts = replace(facts, hooks=after_hook(facts.hooks, event.name, event.says, event.came))
    for name, texts in asking.items():
        agenda = {*work.bots.by_name[name].agenda, *expiries(facts.hooks, texts, work.at)}
        set_bot(work, name, replace(work.bots.by_name[name], agenda=tuple(sorted(agenda))))
        set_wake(work, name, work.at)
    put_facts(work, facts)
    work.requests = replace(work.requests, hook_ids=hook_ids | {event.id})


# --- Newer bars, and volatilities of a year


def take_bars(work: StateBuilder, event: BarsReport) -> None:
    """Keep the bars."""
    facts, key = work.market.facts, (event.symbol, event.seconds)
    last = event.bars.bars[-1].close if event.bars.bars else None
    work.record(Kind.FACTS, symbol=event.symbol, what=f"bars {name_of(event.seconds)}", value=last)
    for name in work.bots.by_name:
        if any(key in text.plan.needs.bars for text in texts_of(work, name)):
            set_wake(work, name, work.at)
    put_facts(work, replace(facts, bars={**facts.bars, key: event.bars}))


def take_implied(work: StateBuilder, event: ImpliedReport) -> None:
    """Keep the volatilities."""
    facts = work.market.facts
    work.record(Kind.FACTS, symbol=event.symbol, what="implied volatility", value=len(event.values))
    put_facts(work, replace(facts, implied={**facts.implied, event.symbol: event.values}))


# --- A clock that was set back while something waited for an instant


def handle_clock_set_back(work: StateBuilder) -> None:
    """Let nothing wait longer than it was to before our clock was set back; where it was not, change nothing."""
    _orders_and_positions(work)
    for name, state in list(work.bots.by_name.items()):
        if (changed := _bot(work, state)) != state:
            set_bot(work, name, changed)


def _orders_and_positions(work: StateBuilder) -> None:
    for position in active_positions(work):
        changed_at = max((order.changed_at for order in orders_of(work, position.id)), default=work.at)
        if position.retry_at is not None and changed_at > work.at:
            position = put_position(work, replace(position, retry_at=position.retry_at - (changed_at - work.at)))
        if position.unprotected_since is not None and position.unprotected_since > work.at:
            put_position(work, replace(position, unprotected_since=work.at))
    for order in all_live_orders(work):
        back = order.changed_at - work.at
        if order.attempt_until is not None and back > timedelta(0):
            put_order(work, replace(order, attempt_until=order.attempt_until - back))


def _bot(work: StateBuilder, state: BotState) -> BotState:
    return replace(
        state,
        confirming={key: _confirming(work, found) for key, found in state.confirming.items()},
        unknown_since={key: min(since, work.at) for key, since in state.unknown_since.items()},
    )


def _confirming(work: StateBuilder, found: ConfirmationProgress) -> ConfirmationProgress:
    """Return a confirmation that continues now with its elapsed time, from when its rule was last known or read."""
    back = max(found.counted_at, found.lost_at) - work.now
    if back <= 0:
        return found
    return replace(
        found,
        since=found.since - back,
        counted_at=found.counted_at - back,
        lost_at=found.lost_at - back if found.lost_at else 0.0,
    )
