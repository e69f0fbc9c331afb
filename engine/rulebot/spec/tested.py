"""The spec that a test document is about: the file it names, seen from the document's own."""

from collections.abc import Mapping
from pathlib import Path as File

from rulebot.spec.load import Loaded, load_document
from rulebot.spec.trial import TrialDocument


def tested_file(tests: Loaded, document: TrialDocument) -> File:
    """Return the file of the tested spec, with as few detours as can be."""
    folder, name = File(tests.source.file).parent, File(document.spec)
    steps = list(name.parts)
    while steps[:1] == [".."] and folder.name not in ("", ".."):
        folder, steps = folder.parent, steps[1:]
    return folder.joinpath(*steps)


def tested_spec(tests: Loaded, document: TrialDocument, settings: Mapping[str, str]) -> Loaded:
    """Return the tested spec with the parameters that a test overrides. Raises: OSError."""
    return load_document(tested_file(tests, document), settings)
