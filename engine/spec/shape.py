"""What the schema of its kind finds wrong in a document; one that plainly fits costs next to nothing."""

from collections.abc import Mapping

from engine.spec.diagnostic import Diagnostic
from engine.spec.fits import fits
from engine.spec.nouns.condition import Path
from engine.spec.source import Plain, Source


def shape_problems(source: Source, tree: Plain, kind: str, places: Mapping[Path, str]) -> list[Diagnostic]:
    """Return the problems of `tree` as a document of a kind; `places` says which parameter stands where."""
    if fits(tree, kind):
        return []
    from engine.spec.schema import schema_problems  # jsonschema takes long to load

    return schema_problems(source, tree, kind, places)
