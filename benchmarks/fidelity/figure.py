"""A figure of fidelity: what it is, what was asked of it, and what came out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the page. `holds` None: nothing was asked."""

    what: str
    found: str
    asked: str = ""
    holds: bool | None = None


def row(figure: Figure) -> str:
    """Return a figure as a row of a table."""
    mark = "" if figure.holds is None else "yes" if figure.holds else "**no**"
    return f"| {figure.what} | {figure.found} | {figure.asked} | {mark} |"


def table(figures: list[Figure]) -> str:
    """Return figures as a table."""
    return "\n".join(("| what | found | asked | holds |", "|---|---|---|---|", *map(row, figures)))
