"""Every code is registered, explained in docs/diagnostics.md, and used; and nothing else is."""

import re
from pathlib import Path

from rulebot.compile import problem
from rulebot.spec import diagnostic as codes

ROOT = Path(__file__).parents[3]
KNOWN = {**problem.CODES, **codes.CODES}


def used(folder: str, *besides: str) -> set[str]:
    files = [file for file in (ROOT / "engine" / "rulebot" / folder).rglob("*.py") if file.name not in besides]
    return {code for file in files for code in re.findall(r'"(RB\d{3})"', file.read_text(encoding="utf-8"))}


def test_every_code_used_is_registered() -> None:
    schemas = "".join(file.read_text() for file in (ROOT / "schemas").glob("*.json"))
    in_spec = used("spec", "codes.py") | set(re.findall(r'"x-code": "(RB\d{3})"', schemas))
    assert in_spec == codes.CODES.keys()
    assert used("compile", "problem.py", "schema.py") <= problem.CODES.keys()  # schema.py writes codes of spec


def test_both_registers_say_the_same_of_a_code() -> None:
    for code in problem.CODES.keys() & codes.CODES.keys():
        assert problem.CODES[code] == codes.CODES[code]


def test_every_code_is_documented_and_nothing_else() -> None:
    text = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (RB\d{3}) \| (.*?) \|", text, re.MULTILINE))
    assert rows == KNOWN
