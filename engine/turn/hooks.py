"""Web hooks of other programs: the last of each name is known, and bots that ask for it are judged at once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.model.event import HookCame
from engine.model.facts import Hook
from engine.record.codec import utc_text
from engine.record.record import Kind
from engine.turn.program import CompiledBot
from engine.turn.work import Work

Hooks = Mapping[str, Hook]


def after_hook(hooks: Hooks | None, name: str, says: str, came: datetime) -> Hooks:
    """Return the last hooks by name, of which a late one is none; a restart folds the recorded ones the same way."""
    known = hooks or {}
    last = known.get(name)
    return known if last is not None and last.came > came.timestamp() else {**known, name: Hook(came.timestamp(), says)}


def expiries(hooks: Hooks | None, texts: Iterable[CompiledBot], after: datetime) -> set[datetime]:
    """Return when a hook will have come too long ago for the rules of these texts."""
    known = hooks or {}
    asked = {each for text in texts for each in text.plan.needs.hooks if each[0] in known}
    found = {datetime.fromtimestamp(known[name].came, UTC) + timedelta(seconds=within) for name, within in asked}
    return {at for at in found if at > after}


def hook_came(work: Work, event: HookCame) -> dict[str, Any]:
    """Take a hook, once; whoever asks for its name is judged now, and when it counts no more."""
    state = work.state
    if event.id in state.hook_ids:
        return {}
    work.record(Kind.WEBHOOK, id=event.id, name=event.name, says=event.says, came=utc_text(event.came))
    facts = replace(state.facts, hooks=after_hook(state.facts.hooks, event.name, event.says, event.came))
    for name, bot in list(work.bots.items()):
        texts = work.texts_of(name)
        if any(event.name == asked for text in texts for asked, _ in text.plan.needs.hooks):
            work.set_bot(
                name, replace(bot, agenda=tuple(sorted({*bot.agenda, *expiries(facts.hooks, texts, work.at)})))
            )
            work.set_wake(name, work.at)
    return {"facts": facts, "hook_ids": state.hook_ids | {event.id}}
