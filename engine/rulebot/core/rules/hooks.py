"""Web hooks of other programs: the last of each name is known, and bots that ask for it are judged at once."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.model.event import HookCame
from rulebot.model.facts import Hook
from rulebot.model.session import Session, at_exchange_time
from rulebot.model.values import replace
from rulebot.record.codec import utc_text
from rulebot.record.record import Kind

Hooks = Mapping[str, Hook]
A_DAY = 86400.0
"""Seconds after which a hook counts no more, whatever a rule says: then it is none of today."""


def after_hook(hooks: Hooks | None, name: str, says: str, came: datetime) -> Hooks:
    """Return the last hooks by name, of which a late one is none; a restart folds the recorded ones the same way."""
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


def hook_came(work: StateBuilder, event: HookCame) -> None:
    """Take a hook, once; whoever asks for its name is judged now, and when it counts no more."""
    facts, hook_ids = work.market.facts, work.requests.hook_ids
    if event.id in hook_ids:
        return
    texts_of = {name: work.texts_of(name) for name in work.bots.by_name}
    asking = {
        name: texts
        for name, texts in texts_of.items()
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
        work.set_bot(name, replace(work.bots.by_name[name], agenda=tuple(sorted(agenda))))
        work.set_wake(name, work.at)
    work.put_facts(facts)
    work.requests = replace(work.requests, hook_ids=hook_ids | {event.id})
