"""The bots of a recorded run, compiled from the texts that it kept."""

from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.model.errors import RulebotError
from rulebot.store.queries import Run


def bot_of(run: Run, name: str) -> CompiledBot | None:
    """Return a bot as its run has it, None of a text that this version cannot read any more."""
    told = run.specs[name]
    text = SpecText(name, told["digest"], told["path"], told["text"], told.get("overrides") or {})
    try:
        return compile_text(text)
    except RulebotError:
        return None
