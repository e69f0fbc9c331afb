"""`rulebot doctor`: whether all is ready for a run, line by line, with what mends what is not."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import ACCOUNT, FORMAT, SPECS, gateway_option, set_option, settings_option
from rulebot.cli.output import hung, print_text
from rulebot.cli.store_options import STORE, print_json
from rulebot.model.errors import MisuseError

if TYPE_CHECKING:
    from rulebot.doctor.examine import DoctorOptions
    from rulebot.doctor.market_checks import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red", "not checked": "bright_black"}


@click.command("doctor", short_help="Check that all is ready for a run.")
@click.argument("specs", nargs=-1, metavar="[SPEC]...", type=SPECS)
@click.option("--paper", is_flag=True, help="Check a paper account (the default).")
@click.option("--live", is_flag=True, help="Look at the account with real money, and what --live would be refused for.")
@click.option("--sim", is_flag=True, help="Look at a simulated market: nothing else is needed.")
@gateway_option
@ACCOUNT
@click.option("--store", type=STORE, metavar="STORE", help="The store that a run would write (default: the settings').")
@settings_option
@set_option
@click.option(
    "--probe", is_flag=True, help="Send a paper account orders that cannot fill, to see how the broker answers."
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where --probe keeps the raw bytes (default: doctor-probe.jsonl).",
)
@click.option(
    "--source",
    type=click.Choice(["gateway", "cboe"]),
    default="gateway",
    help="With cboe legs are also chosen on Cboe's quotes, DELAYED by 15 minutes, which need no gateway.",
)
@click.option("--exits-only", is_flag=True, help="Look for a run that enters nothing: not at what bots need.")
@click.option("--no-audit", is_flag=True, help="Leave the audit of the store out: it reads all of it.")
@FORMAT
def doctor(**options: Any) -> None:
    """Check that all is ready for a run of SPEC (files, folders): Python and packages, settings, specs, calendars,
    disk, store, gateway, clock, account, market data, and which legs each bot would choose now, or why none.

    Nothing is written and no order is sent, unless --probe asks for it (docs/doctor.md). It connects as another client,
    so an engine may run meanwhile; then no legs are chosen, since market data lines are few.

    --source cboe is for when no gateway answers: bots never trade on such quotes, and each line is marked.

    Exit code: 0 without a fault (there may be warnings), 1 with faults, 2 for misuse, 3 when the gateway, the store
    or a file failed, so that not everything could be checked.
    """
    wanted = _wanted(options)
    logging.basicConfig(level=logging.CRITICAL, force=True)
    found = asyncio.run(_collect(wanted, options["form"]))
    from rulebot.doctor.market_checks import exit_code

    if options["form"] == "json":
        print_json(document(found))
    else:
        print_text(f"\n{summary(found)}")
    raise click.exceptions.Exit(exit_code(found))


def _wanted(options: dict[str, Any]) -> "DoctorOptions":
    from rulebot.cli.run import gateway_address
    from rulebot.cli.validate import parse_settings
    from rulebot.doctor.examine import DoctorOptions
    from rulebot.store.place import data_folder

    is_live = options["live"]
    if options["source"] == "cboe" and options["sim"]:
        raise MisuseError("--sim is a market of our own: Cboe has no quotes of it")
    if is_live and (options["paper"] or options["sim"]):
        other = "--paper" if options["paper"] else "--sim"
        raise MisuseError(f"--live is an account with real money: {other} does not go with it")
    host, port = gateway_address(options["address"])
    flags = {
        "host": host,
        "live_port" if is_live else "port": port,
        "live_store" if is_live else "store": options["store"],
    }
    return DoctorOptions(
        specs=options["specs"],
        overrides=parse_settings(options["overrides"]),
        account=options["account"],
        settings=options["settings"],
        flags=flags,
        live=is_live,
        sim=options["sim"],
        probe=_record(options),
        audits=not options["no_audit"],
        delayed=options["source"] == "cboe",
        exits_only=options["exits_only"],
        data=data_folder(),
    )


def _record(options: dict[str, Any]) -> Path | None:
    """Return where a probe keeps its messages, None without one. Raises: MisuseError."""
    record: Path | None = options["record"]
    if not options["probe"]:
        if record is not None:
            raise MisuseError("--record is where --probe keeps its bytes: add --probe")
        return None
    if options["live"]:
        raise MisuseError("--probe sends orders: it is for paper accounts only")
    if not options["paper"] and not options["sim"]:
        raise MisuseError("--probe sends orders: say which account is meant", "--paper, or --sim to see what it does")
    record = record or Path("doctor-probe.jsonl")
    if record.exists():
        raise MisuseError(f"{record} is there already", "name another file with --record")
    return record


async def _collect(wanted: "DoctorOptions", form: str) -> "list[Finding]":
    """Return all findings; for eyes each group is shown as soon as it is complete."""
    from rulebot.doctor.examine import examine

    found: list[Finding] = []
    group: list[Finding] = []
    async for finding in examine(wanted):
        if group and finding.group is not group[0].group:
            _show(group, form)
            group = []
        group.append(finding)
        found.append(finding)
    _show(group, form)
    return found


def _show(group: "list[Finding]", form: str) -> None:
    if form == "json" or not group:
        return
    print_text(click.style(group[0].group.value, bold=True))
    width = max(len(finding.name) for finding in group)
    for finding, after in zip(group, [*group[1:], None], strict=True):
        word = finding.level.value
        name = finding.name.ljust(width)
        shown = f"  {click.style(word.ljust(11), fg=_COLOURS[word])}  {name}  "
        print_text(hung(f"  {word:11}  {name}  ", finding.text, shown=shown))
        if finding.mend and (after is None or after.mend != finding.mend):  # one for several that need the same
            print_text(hung(f"  {' ' * 11}  {' ' * width}  = help: ", finding.mend))


def summary(found: "list[Finding]") -> str:
    """Return `52 checks: 47 ok, 2 warnings, 1 fault, 2 not checked`."""
    counts = _counts(found)
    parts = [f"{counts['ok']} ok"]
    parts += [
        f"{counts[word]} {word}{'' if counts[word] == 1 else 's'}" for word in ("warning", "fault") if counts[word]
    ]
    if counts["not checked"]:
        parts.append(f"{counts['not checked']} not checked")
    return f"{len(found)} checks: {', '.join(parts)}"


def _counts(found: "list[Finding]") -> dict[str, int]:
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in found:
        counts[finding.level.value] += 1
    return counts


def document(found: "list[Finding]") -> dict[str, Any]:
    """Return the findings for machines, sorted by group and name; of one name they keep their order."""
    from rulebot.doctor.market_checks import exit_code

    rows = [
        {
            "group": each.group.value,
            "name": each.name,
            "level": each.level.value,
            "text": each.text,
            "mend": each.mend,
        }
        for each in sorted(found, key=lambda each: (each.group.value, each.name))
    ]
    return {"checks": rows, "counts": _counts(found), "exit_code": exit_code(found)}
