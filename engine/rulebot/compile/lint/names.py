"""Names that stand nowhere."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from rulebot.compile.lint.look import LintContext
from rulebot.compile.problem import Problem
from rulebot.spec.nouns.condition import Word

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_NO_USE = frozenset({"name", "about", "path", "accept", "lets", "parameters", "digest"})
"""Fields whose words use nothing: what a thing is called, and where it stands."""


def unused_lets(look: LintContext) -> Iterator[Problem]:
    """Yield RB302 for each let that no part of the spec names. Any word of any text may be a use of it."""
    if not look.spec.lets:
        return
    used = set(_words(look.spec))
    for let in look.spec.lets:
        if let.name not in used:
            help_text = f"write '{let.name}' where it belongs, or remove it"
            yield Problem("RB302", let.path, f"the let '{let.name}' is not used", help_text, None, True)


def _words(value: object) -> Iterator[str]:
    """Yield every word of every text in a noun of the spec, whatever fields the nouns have."""
    if isinstance(value, Word):
        yield value.name
    elif isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, tuple):
        for item in value:
            yield from _words(item)
    elif isinstance(value, Mapping):
        yield from _words(tuple(value.values()))
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in _NO_USE:
                yield from _words(getattr(value, field.name))
