"""The bots of a trial with more contracts than their files say, for acts that need several."""

import re
from dataclasses import replace
from functools import lru_cache

from rulebot.chaos.spec_edits import edited
from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots, SpecText, compile_text
from rulebot.spec.load import load_text

QUANTITY, LOSS = ("quantity",), ("risk", "max_loss_per_trade")
_WHOLE = re.compile(r"\d+")
_DOLLARS = re.compile(r"\$(\d+)")
_UNDERLYING = re.compile(r"^underlying:.*$", re.MULTILINE)


def sized(desk: LoadedBots, times: int) -> LoadedBots:
    """Return the bots with so many times their quantity and their `max_loss_per_trade`.

    One whose quantity is no number in its own text stays as it is.
    """
    if times == 1:
        return desk
    bots: dict[str, CompiledBot] = dict(desk.bots)
    texts = []
    for text in desk.texts:
        found = _sized(text.name, text.file, text.text, tuple(sorted(text.overrides.items())), times)
        texts.append(text if found is None else found[0])
        if found is not None:
            bots[text.name] = found[1]
    return replace(desk, bots=bots, texts=tuple(texts))


@lru_cache(maxsize=256)
def _sized(
    name: str, file: str, text: str, overrides: tuple[tuple[str, str], ...], times: int
) -> tuple[SpecText, CompiledBot] | None:
    bigger = larger_text(text, times)
    if bigger is None:
        return None
    loaded = load_text(bigger, file, dict(overrides))
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    if plan is None:
        return None
    found = SpecText(name, plan.digest, file, bigger, dict(overrides))
    return found, compile_text(found)


def larger_text(text: str, times: int) -> str | None:
    """Return a spec with so many times its quantity, None where that is no number that stands in it."""
    source = load_text(text).source
    if QUANTITY not in source.values:
        if "universe:" in text or not _UNDERLYING.search(text):
            return None
        found = _UNDERLYING.sub(lambda match: f"{match[0]}\nquantity: {times}", text, count=1)
    elif match := _WHOLE.fullmatch(source.written(QUANTITY)):
        found = edited(text, QUANTITY, str(int(match[0]) * times))
    else:
        return None
    if match := _DOLLARS.fullmatch(source.written(LOSS)):
        found = edited(found, LOSS, f"${int(match[1]) * times}")
    return found
