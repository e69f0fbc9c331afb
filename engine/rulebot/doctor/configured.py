"""The settings, and where each of them came from."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from rulebot.doctor.finding import Finding, Group, fault, fine, warning
from rulebot.model.errors import RulebotError
from rulebot.process.settings import FILE_NAME, PREFIX, Settings, read_settings, read_toml
from rulebot.spec.suggest import closest

KEYS = tuple(field.name for field in fields(Settings))
USUAL = "usual"
_MEND = "correct it, or leave it out: docs/settings.md has every setting"


def found_settings(
    file: Path | None,
    folder: Path,
    data: Path,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
) -> tuple[Settings | None, list[Finding]]:
    """Return the settings, None when they cannot be used, and what is said of them."""
    try:
        settings = read_settings(file, folder, data, environ=environ, flags=flags)
    except RulebotError as error:
        lines = error.message.splitlines()
        return None, [fault(Group.SETTINGS, "settings", lines[0], error.help or _MEND)]
    sources = origins(file, folder, flags, environ)
    shown = [fine(Group.SETTINGS, key, f"{_shown(settings, key)} ({sources[key]})") for key in KEYS]
    return settings, [*shown, *_misspelt(environ)]


def origins(
    file: Path | None, folder: Path, flags: Mapping[str, object], environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return where each setting comes from: a flag, a variable, a file, or `usual` where nobody said anything."""
    path = folder / FILE_NAME if file is None else file
    in_file = set(read_toml(path.read_text(encoding="utf-8-sig"))) if path.is_file() else set()
    found = {}
    for key in KEYS:
        variable = PREFIX + key.upper()
        if flags.get(key) is not None:
            found[key] = "said with the command"
        elif environ.get(variable):
            found[key] = variable
        else:
            found[key] = str(path) if key in in_file else USUAL
    return found


def _shown(settings: Settings, key: str) -> str:
    value = getattr(settings, key)
    if value is None:
        return "4001 or 7496" if key == "live_port" else "4002 or 7497"
    return str(value) or "the only one of the login"


def _misspelt(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield variables that are almost those of settings: nobody reads them."""
    known = {PREFIX + key.upper(): key for key in KEYS}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        meant = closest(variable.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], likeness=0.75)
        if meant is not None:
            text = f"the variable {variable} is not a setting, and nobody reads it"
            yield warning(Group.SETTINGS, "variables", text, f"was {PREFIX}{meant} meant?")
