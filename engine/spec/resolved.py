"""A document with all that it extends written out: what governs, whatever becomes of its parents."""

from engine.spec.layout.format import text_of
from engine.spec.source import Source


def resolved_text(source: Source) -> str:
    """Return a document that has been read as one text that extends nothing, without comments."""
    assert isinstance(source.tree, dict)
    return text_of(source.tree)


def governing_text(source: Source) -> str:
    """Return the text that alone says all of a document: its own, unless it extends another."""
    return resolved_text(source) if source.above else source.text
