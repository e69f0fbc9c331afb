"""A table of changes to sound bots: what is nonsense has its code, and what is sound stays silent.

Columns of nonsense.csv: kind, bot (`sound_bots.py`, or the file of a shipped spec or an example), the code that is told
first ("" for none), then what is replaced and by what, once or several times; `\\n` stands for the end of a line.
"""

import csv
from pathlib import Path

import pytest
import sound_bots

from rulebot.compile.build import check
from rulebot.spec.load import load_text

ROOT = Path(__file__).parents[3]
ROWS = list(csv.reader((Path(__file__).parent / "nonsense.csv").read_text(encoding="utf-8").splitlines()))[1:]


def text_of(row: list[str]) -> str:
    text: str = (ROOT / row[1]).read_text(encoding="utf-8") if "/" in row[1] else getattr(sound_bots, row[1])
    cells = [cell.replace("\\n", "\n") for cell in row[3:]]
    for old, new in zip(cells[::2], cells[1::2], strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    return text


def codes(text: str) -> list[str]:
    loaded = load_text(text)
    return [each.code for each in (*loaded.diagnostics, *(check(loaded) if loaded.spec is not None else ()))]


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row[0].replace(' ', '_')}" for n, row in enumerate(ROWS, 2)])
def test_a_change_is_reported_by_its_code_or_let_alone(row: list[str]) -> None:
    assert codes(text_of(row))[:1] == [row[2]][: bool(row[2])]


@pytest.mark.parametrize("bot", [name for name in dir(sound_bots) if name.isupper()])
def test_the_bots_themselves_are_sound(bot: str) -> None:
    assert codes(getattr(sound_bots, bot)) == []


def test_a_delta_on_the_wrong_side_is_reported_with_what_it_can_be() -> None:
    """A bull put spread never leans short: 'below: -8' was taken for a loss."""
    exits = '  - time: "15:30"\n'
    text = sound_bots.SPREAD.replace(exits, f"{exits}  - position_delta: {{below: -8}}\n")
    (found,) = check(load_text(text))
    assert (found.code, found.help) == ("RB369", "choose a bound that the structure can reach, or the other sign")
    assert found.message.startswith("'position_delta' (below -8) never acts in the example: the delta of a structure")
