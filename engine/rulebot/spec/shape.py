"""What the schema of its kind finds wrong in a document; one that plainly fits costs next to nothing."""

from collections.abc import Mapping

from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.fast_schema import fits_schema
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source


def shape_problems(source: Source, tree: Plain, kind: str, places: Mapping[Path, str]) -> list[Diagnostic]:
    """Return the problems of `tree` as a document of a kind; `places` maps places to their parameter."""
    if fits_schema(tree, kind):
        return []
    from rulebot.spec.schema import schema_problems  # jsonschema takes long to load

    return schema_problems(source, tree, kind, places)
