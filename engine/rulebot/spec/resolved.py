"""A document with all that it takes from other files written out: what governs, whatever becomes of those."""

from rulebot.spec.layout.format import text_of
from rulebot.spec.model_files import with_models
from rulebot.spec.source import Source
from rulebot.spec.universe import written_out


def resolved_text(source: Source) -> str:
    """Return a document that has been read as one text that needs no other file, without comments."""
    assert isinstance(source.tree, dict)
    tree = written_out(source.tree, source.symbols) if source.symbols else source.tree
    return text_of(with_models(tree, source.models))


def is_alone(source: Source) -> bool:
    """Say whether a document takes nothing from another file."""
    return not (source.above or source.symbols or source.models)


def governing_text(source: Source) -> str:
    """Return the text that alone says all of a document: its own, unless it takes from others."""
    return source.text if is_alone(source) else resolved_text(source)
