"""Print the figures of the code base beside what is wanted: `python -m tests.house`; `--markdown` as a table."""

import sys

from tests.house import figures

STATE = figures.ENGINE / "rulebot" / "core" / "state" / "state.py"


def rows() -> list[tuple[str, str, str]]:
    """Return each figure: what it counts, what it is, what is wanted."""
    files = figures.modules()
    measured = list(figures.functions())
    longest = max(measured, key=lambda each: each.lines)
    knottiest = max(measured, key=lambda each: each.complexity)
    folders = figures.modules_by_folder()
    crowded = sorted(folder for folder, count in folders.items() if count > 25)
    pages = [figures.ROOT / "README.md", *sorted((figures.ROOT / "docs").rglob("*.md"))]
    return [
        ("lines", f"{sum(len(file.read_text(encoding='utf-8').splitlines()) for file in files):,}", "118,000"),
        ("files", f"{len(files):,}", "600"),
        ("most modules in a folder", f"{max(folders.values())}", "25"),
        ("folders with more", ", ".join(f"{each} {folders[each]}" for each in crowded) or "none", "none"),
        ("longest function", f"{longest.lines} {longest.place}", "60"),
        ("functions over 60 lines", f"{sum(each.lines > 60 for each in measured)}", "0"),
        ("greatest complexity", f"{knottiest.complexity} {knottiest.place}", "15"),
        ("functions over 15", f"{sum(each.complexity > 15 for each in measured)}", "0"),
        ("fields of State", f"{figures.fields_of('State', STATE)}", "10 parts"),
        ("words of README and docs", f"{figures.words(iter(pages)):,}", "80,000"),
        ("words of CHANGELOG", f"{figures.words(iter([figures.ROOT / 'CHANGELOG.md'])):,}", "150 entries"),
    ]


def table() -> str:
    """Return the figures as the table of docs/architecture.md."""
    lines = [f"| {name} | {found} | {wanted} |" for name, found, wanted in rows()]
    return "\n".join(("| figure | now | wanted |", "|---|---|---|", *lines))


def main() -> None:
    """Print one line a figure."""
    if "--markdown" in sys.argv[1:]:
        print(table())
        return
    for name, found, wanted in rows():
        print(f"{name:<26} {found}   (wanted: {wanted})")


if __name__ == "__main__":
    main()
