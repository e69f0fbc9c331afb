"""A document's text to its nouns, with every problem found on the way."""

from dataclasses import dataclass

from engine.spec.diagnostic import Diagnostic
from engine.spec.source import Source
from engine.spec.spec import AccountDocument, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one document is. Without errors exactly one of `spec` and `account` is set; with errors neither."""

    source: Source
    spec: Spec | None = None
    account: AccountDocument | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing stops the document from being used (warnings do not)."""
        return not any(found.is_error for found in self.diagnostics)
