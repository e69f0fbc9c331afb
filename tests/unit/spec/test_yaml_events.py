"""A text has the events, the places and the errors that ruamel's own scanner and parser find in it."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rulebot.spec.yaml import events

TEXT = """\
%YAML 1.2
--- # a day
name: put_lite  # of a bot
when: [vix < 20, {at: 10:30, not: 'it''s'}, "a\\tb", -1, a:b]
? complex
:
  - plain text
    goes on  here

    and there
  - &one x#y
  - *one
  - !!str 5
note: >-
  folded
   text
last: |
  kept
{}: [
  a,  # b
 \tc ?d, e?: f::, g:,
]
...
"""
ODD = "\n\r\t\x85\u2028\ufeff\xe4\U0001f600 #:,-?[]{}&*!|>'\"%@`\\x0"


def reported(found: Iterable[Any]) -> list[str]:
    """Return all that is said of each event, and of the error at which they end."""
    said = []
    try:
        for event in found:
            marks = [(mark.index, mark.line, mark.column, str(mark)) for mark in (event.start_mark, event.end_mark)]
            what = {name: str(value) for name, value in vars_of(event).items() if not name.endswith("mark")}
            said.append(f"{type(event).__name__} {marks} {what}")
    except (YAMLError, ValueError, IndexError, AttributeError) as error:
        said.append(f"{type(error).__name__}: {error}")
    return said


def vars_of(event: Any) -> dict[str, Any]:
    names = ("anchor", "tag", "implicit", "value", "style", "flow_style", "explicit", "version", "tags")
    return {name: getattr(event, name, None) for name in names}


def own(text: str) -> list[str]:
    return reported(YAML(typ="safe", pure=True, plug_ins=[]).parse(text))


def spoiled(text: str, chance: Random) -> str:
    """Return a piece of a text, with some letters others."""
    letters = list(text[chance.randrange(len(text)) :][: chance.randint(1, 200)])
    for _ in range(chance.randint(1, 4)):
        letters[chance.randrange(len(letters))] = chance.choice(ODD)
    return "".join(letters)


def test_a_text_has_the_events_of_ruamel() -> None:
    found = reported(events(TEXT))
    assert found == own(TEXT)
    assert found[-1].startswith("StreamEndEvent")


@pytest.mark.parametrize(
    "text", ["# a\ufeffb\nc\ufeffd: e", "%YAML 1.1\n--- [a?b, c]\n", "%YAML 1.1\n--- a?b\n", "a: b\x85c", ""]
)
def test_rare_letters_and_versions_change_nothing(text: str) -> None:
    assert reported(events(text)) == own(text)


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_texts_have_the_events_and_errors_of_ruamel(seed: int) -> None:
    chance = Random(seed)
    for _ in range(40):
        text = spoiled(TEXT, chance)
        assert reported(events(text)) == own(text), repr(text)
