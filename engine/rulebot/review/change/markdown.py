"""A difference as Markdown, for a pull request."""

import re
from collections.abc import Iterator

from rulebot.review.change.difference import Change, Difference, Kind, Status
from rulebot.review.change.text import facts, head

_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]|~#"} | {"\n": " ", "<": "&lt;"})
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)")
"""Where an address or a mention goes on, which GitHub links as it stands, also one that is escaped letter by letter."""
_NOTHING = "<!-- -->"


def markdown_of(found: Difference) -> str:
    """Return a section: the changes as a table, what follows as a list."""
    name, _, rest = head(found).partition("  ")
    lines = [f"### {_plain(name)}", "", _plain(rest)]
    if found.status is Status.CHANGED:
        lines += ["", "| | where | was | is now | what follows |", "|---|---|---|---|---|"]
        lines += [_row(change) for change in found.changes]
        lines += ["", *_facts(found)]
    if found.behaviour:
        lines += ["", "```text", *(line.replace("```", "'''") for line in found.behaviour), "```"]
    return "\n".join(lines)


def _row(change: Change) -> str:
    mark = "**(!)**" if change.is_worse else ""
    kind = "" if change.kind is Kind.CHANGED else f" ({change.kind.value})"
    cells = (f"{_plain(change.path)}{kind}", _plain(change.old), _plain(change.new), _plain(change.words))
    return f"| {mark} | {' | '.join(cells)} |"


def _facts(found: Difference) -> Iterator[str]:
    title = ""
    for given, words in facts(found):
        title = given or title
        yield f"- {title}: {_plain(words)}"


def _plain(text: str) -> str:
    """Return what a document says as it stands there: nothing in it becomes a link, a mention or a picture."""
    return _LINKED.sub(_NOTHING, text.translate(_ESCAPED))
