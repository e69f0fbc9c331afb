"""The names in a query of Prometheus, as far as tests need them: metrics, and the labels that each is asked by."""

import re

_WORDS = frozenset(
    ("by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless")
)
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_GROUPS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_MATCHERS = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)?\s*\{(?P<inside>[^{}]*)\}")
_NAME = re.compile(r"(?<![\w.:$])[a-zA-Z_:][\w:]*\b(?!\s*\()")


def metric_names(query: str) -> frozenset[str]:
    """Return the metrics that a query asks for."""
    bare = _RANGE.sub("", _GROUPS.sub("", _STRING.sub("''", query)))
    bare = _MATCHERS.sub(lambda found: f" {found['name'] or ''} ", bare)
    return frozenset(name for name in _NAME.findall(bare) if name.lower() not in _WORDS)


def matched_labels(query: str) -> list[tuple[str, str]]:
    """Return metric and label for every matcher."""
    bare = _STRING.sub("''", query)
    return [
        (found["name"], label)
        for found in _MATCHERS.finditer(bare)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", found["inside"])
    ]


def grouped_labels(query: str) -> frozenset[str]:
    """Return the labels by which it sums, or joins."""
    found = _GROUPS.findall(_STRING.sub("''", query))
    return frozenset(label.strip() for inside in found for label in inside.split(",") if label.strip())
