"""A page for every code: its meaning, a wrong and a right example, the remedy and the reason.

The pages are in `code_pages.md`; the meaning is in the CODES of the checks. `docs/diagnostics.md` is a table of both.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rulebot.compile import problem
from rulebot.model.values import dataclass
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.spec import diagnostic as codes

CODES: Mapping[str, str] = dict(sorted({**problem.CODES, **codes.CODES}.items()))
"""What each code means, in one line."""

_CHAPTERS = (("RB1", "Text, structure, scalars and names"), ("RB2", "Meaning"), ("RB3", "Lint"))
_FIX = re.compile(r"^Fix: (.+)\n", re.MULTILINE)
_EXAMPLE = re.compile(r"```yaml (wrong|right)(?: on (\d{4}-\d\d-\d\d))?\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One code. The examples are parts of a spec; `on` is the day they are right or wrong on, "" for any."""

    code: str
    meaning: str
    wrong: str
    right: str
    fix: str
    why: str
    on: str = ""


def page_of(code: str) -> Explanation | None:
    """Return the page of a code; None for what is no code."""
    page = pages().get(code.upper())
    if page is None:
        return None
    on = f"on {page.on}, " if page.on else ""
    kind = "a warning: 'accept' switches it off, with a reason" if page.code.startswith("RB3") else "an error"
    sections = (
        Section("Is", (Line(words=kind),)),
        Section("Wrong", _lines(page.wrong, on)),
        Section("Right", _lines(page.right, on)),
        Section("Fix", (Line(words=page.fix),)),
        Section("Why", (Line(words=page.why),)),
    )
    return Explanation(kind="code", name=page.code, about=page.meaning, sections=sections)


def _lines(yaml: str, on: str) -> tuple[Line, ...]:
    day = (Line(words=f"{on}as in"),) if on else ()
    return (*day, *(Line(words=line.rstrip()) for line in yaml.rstrip("\n").split("\n")))


@cache
def pages() -> Mapping[str, Page]:
    """Return every page by its code."""
    return {code: _page(code, body) for code, body in _bodies().items()}


def _page(code: str, body: str) -> Page:
    examples = {kind: (text, day) for kind, day, text in _EXAMPLE.findall(body)}
    (wrong, day), (right, _) = examples["wrong"], examples["right"]
    text = _EXAMPLE.sub("", body)
    (fix,) = _FIX.findall(text)
    return Page(code, CODES[code], wrong, right, fix, " ".join(_FIX.sub("", text).split()), day)


@cache
def _written() -> str:
    return Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


def _bodies() -> dict[str, str]:
    _, *parts = re.split(r"^## (RB\d{3})\n", _written(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# ---------------------------------------------------------------- the document


def document() -> str:
    """Return docs/diagnostics.md: the introduction, and a table of codes with meaning and remedy."""
    head = re.split(r"^## RB", _written(), maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    return "\n\n".join((head, *(_table(prefix, title) for prefix, title in _CHAPTERS))) + "\n"


def _table(prefix: str, title: str) -> str:
    rows = [f"| {code} | {page.meaning} | {page.fix} |" for code, page in pages().items() if code.startswith(prefix)]
    return "\n".join((f"## {title}", "", "| code | what it is | remedy |", "|---|---|---|", *rows))
