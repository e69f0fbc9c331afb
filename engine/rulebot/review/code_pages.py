"""A page for every code: what it means, a wrong and a right example, and why it matters.

The pages stand in `code_pages.md`, one below the other; what each code means, in one line, stands with the checks that
give it. `docs/diagnostics.md` is made of both, and a test tries every example.
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
_EXAMPLE = re.compile(r"```yaml (wrong|right)(?: on (\d{4}-\d\d-\d\d))?\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One code. The examples are parts of a spec; `on` is the day they are right or wrong on, "" for any."""

    code: str
    meaning: str
    wrong: str
    right: str
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
    why = " ".join(_EXAMPLE.sub("", body).split())
    return Page(code, CODES[code], wrong, right, why, day)


@cache
def _written() -> str:
    return Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


def _bodies() -> dict[str, str]:
    _, *parts = re.split(r"^## (RB\d{3})\n", _written(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# ---------------------------------------------------------------- the document


def document() -> str:
    """Return docs/diagnostics.md: the introduction, a table of all codes, and their pages."""
    head = re.split(r"^## RB", _written(), maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    tables = [_table(prefix, title) for prefix, title in _CHAPTERS]
    shown = [_section(page) for page in pages().values()]
    return "\n\n".join((head, *tables, "## Pages", *shown)) + "\n"


def _table(prefix: str, title: str) -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in CODES.items() if code.startswith(prefix)]
    return "\n".join((f"## {title}", "", "| code | what it is |", "|---|---|", *rows))


def _section(page: Page) -> str:
    on = f", on {page.on}" if page.on else ""
    examples = ((f"Wrong{on}:", page.wrong), (f"Right{on}:", page.right))
    shown = "\n\n".join(f"{title}\n\n```yaml\n{text}```" for title, text in examples)
    return f"### {page.code}\n\n{page.meaning}\n\n{shown}\n\n{page.why}"
