"""HTML from templates: pages that are written to a file, and the base that those of the web server extend."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from rulebot.drawing import FOLDER, style
from rulebot.model.money import signed_dollars
from rulebot.model.text import counted

Filters = Mapping[str, Callable[..., Any]]


def environment(folder: Path = FOLDER, filters: Filters = MappingProxyType({})) -> Environment:
    """Return the templates of a folder, which may extend and include the shared ones."""
    found = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"signed_dollars": signed_dollars, "counted": counted, "sentence": _sentence, **filters}
    return found


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


_written = cache(environment)


def written_page(name: str, **shown: object) -> str:
    """Return a page that needs no script, no network and no server, from `templates/NAME.html`."""
    return _written().get_template(f"{name}.html").render(shown) + "\n"


def look() -> str:
    """Return the style sheet that all pages share."""
    return style() + (FOLDER / "look.css").read_text(encoding="utf-8")
