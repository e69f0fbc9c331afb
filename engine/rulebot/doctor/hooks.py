"""Web hooks: whether they can come in, where bots ask for them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rulebot.doctor.finding import Finding, Group, fault, fine, outage, warning
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import RulebotError
from rulebot.store.secret import hook_secret

NAME = "web hooks"


def hooks_received(desk: LoadedBots, data: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether hooks that these bots ask for can come. data: the folder of what rulebot keeps."""
    asked = {name: sorted(bot.plan.needs.hook_names) for name, bot in desk.bots.items()}
    if not any(asked.values()):
        return
    try:
        _, where = hook_secret(data, environ)
    except RulebotError as error:
        if error.exit_code == 3:
            yield outage(Group.SETTINGS, NAME, error)
        else:
            yield fault(Group.SETTINGS, NAME, error.message, error.help or "docs/hooks.md")
        return
    names = ", ".join(dict.fromkeys(each for found in asked.values() for each in found))
    if where:
        yield fine(Group.SETTINGS, NAME, f"{names}: they must bring the secret in {where}")
        return
    bots = ", ".join(name for name, found in asked.items() if found)
    text = f"none is received, and {bots} asks for {names}: conditions on them are unknown, and unknown never enters"
    yield warning(Group.SETTINGS, NAME, text, "rulebot hooks secret (docs/hooks.md)")
