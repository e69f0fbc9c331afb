"""`rulebot list`: the bots of the last run, or of specs, and what they are doing."""

from typing import Any

import click

from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.cli.stores import print_json, shows_store
from rulebot.cli.width import echo, table, terminal_width
from rulebot.model.errors import StoreError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.store.latest import shown_store
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader


@click.command("list", short_help="List the bots that ran.")
@click.argument("specs", nargs=-1, metavar="[SPEC]...", type=SPECS)
@shows_store
def list_bots(specs: tuple[str, ...], store: Place | None, form: str) -> None:
    """List the bots of the last run, or those of the files, folders or patterns in SPEC.

    A bot is stopped, starting, running or stopping: that is also one that the engine runs no more, while it holds
    something, whose exits go on.
    """
    named = _of_files(specs)
    path = _path(store, bool(specs))
    ran = {} if path is None else _of_store(path)
    names = sorted(named if specs else ran)
    rows = [{**_unknown(name), **ran.get(name, {}), **named.get(name, {})} for name in names]
    if form == "json":
        print_json({"bots": rows, "store": None if path is None else shown_path(path)})
        return
    _show(rows)
    print_text(f"\n store {shown_path(path)}" if path else "\n no run has left a store yet")


def _path(store: Place | None, may_lack: bool) -> Place | None:
    try:
        return shown_store(store)
    except StoreError:
        if not may_lack:
            raise
        return None


def _unknown(name: str) -> dict[str, Any]:
    return {"bot": name, "state": "stopped", "mode": None, "digest": None, "path": None, "last_activity": None}


def _of_store(path: Place) -> dict[str, dict[str, Any]]:
    with StoreReader(path) as reader:
        run = reader.run()
        settings: Any = run.started.data.get("settings") if run.started else None
        mode = (run.started.data.get("mode") if run.started else None) or (settings or {}).get("mode")
        found = {}
        held = {row["strategy_id"] for row in reader.view("open_positions")}
        for bot in reader.bots():
            last = reader.last_activity(bot)
            spec = run.specs.get(bot, {})
            found[bot] = {
                "bot": bot,
                "state": run.state(bot, holds=bot in held),
                "mode": mode,
                "digest": spec.get("digest"),
                "path": spec.get("path"),
                "last_activity": last.astimezone(EXCHANGE_ZONE).strftime("%Y-%m-%d %H:%M:%S") if last else None,
            }
    return found


def _of_files(specs: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    if not specs:
        return {}
    from rulebot.spec.files import find_files
    from rulebot.spec.load import load_document

    found: dict[str, dict[str, Any]] = {}
    for file in find_files(specs):
        loaded = load_document(file, {})
        spec = loaded.spec
        if not loaded.is_fine:
            raise click.UsageError(f"{file} is no sound spec; 'rulebot validate {file}' says why")
        if spec is None:
            continue
        if spec.name in found:
            raise click.UsageError(f"two documents are the bot '{spec.name}': {found[spec.name]['path']} and {file}")
        found[spec.name] = {"bot": spec.name, "digest": spec.digest, "path": str(file)}
    return found


def _show(rows: list[dict[str, Any]]) -> None:
    head = ("bot", "state", "mode", "spec", "last activity", "file")
    shown = [head] + [
        (
            row["bot"],
            row["state"],
            row["mode"] or "-",
            (row["digest"] or "-")[:8],
            row["last_activity"] or "never",
            row["path"] or "-",
        )
        for row in rows
    ]
    lines = table(shown, terminal_width(), (3, 2, 4), right=frozenset(), whole="--format json")
    for line in lines if rows else [" no bot has run here"]:
        echo(line)
