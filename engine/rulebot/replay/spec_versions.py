"""The texts of a recorded day: those that its run began with, and those that took over while it went on."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from rulebot.adapters.recorded.recording import Recording, RequestsExchanged, play_told
from rulebot.documents.load_bots import SpecText
from rulebot.record.codec import utc_time
from rulebot.recovery.resume import spec_texts
from rulebot.spec.load import load_text
from rulebot.spec.spec import Spec


class SpecVersionSpan(NamedTuple):
    """From when on these texts ran, by bot: until those of the next reign took over."""

    since: datetime
    texts: Mapping[str, SpecText]


def reigns(recording: Recording) -> list[SpecVersionSpan]:
    """Return the texts of a recording, one reign after the other. Raises: StoreError."""
    began = RequestsExchanged(utc_time(recording.head["at"]), recording.head)
    taken_over = (step for step in play_told(recording.files) if isinstance(step, RequestsExchanged))
    return [
        SpecVersionSpan(each.at, {text.name: text for text in spec_texts(each.data["specs"])})
        for each in (began, *taken_over)
    ]


def known_texts(found: list[SpecVersionSpan]) -> dict[str, list[tuple[datetime, SpecText]]]:
    """Return for each bot that ran its texts, each with the instant from which on it was that one."""
    known: dict[str, list[tuple[datetime, SpecText]]] = {}
    for since, texts in found:
        for name, text in texts.items():
            mine = known.setdefault(name, [])
            if not mine or mine[-1][1].digest != text.digest:
                mine.append((since, text))
    return known


def set_alike(was: SpecText, now: Spec) -> tuple[dict[str, str], list[str]]:
    """Return which parameters of a new text are to be set as they were for the recorded one, and what is said of each.

    One of which the new text itself says something else, or nothing, is not: that is what is to be tried.
    """
    spec = load_text(was.text).spec
    then = {} if spec is None else {each.name: each.text for each in spec.parameters}
    here = {each.name: each.text for each in now.parameters}
    given, said = {}, []
    for name, value in was.overrides.items():
        if name not in here:
            said.append(f"{name} was set to {value} then; the new text has none")
        elif here[name] != then.get(name):
            said.append(f"{name} was set to {value} then; the new text goes by its own {here[name]}")
        else:
            given[name] = value
            said.append(f"{name} is {value} in both, as it was set then")
    return given, said
