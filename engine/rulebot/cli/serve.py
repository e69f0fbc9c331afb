"""`rulebot serve`: an engine and its page in one process."""

import sys
from pathlib import Path
from typing import Any

import click

from rulebot.cli.alerts import notifier_to, people_option
from rulebot.cli.run import run, run_with
from rulebot.cli.web import WHERE_NAMES, EmbeddedPage, check_packages, where_options

_OF_RUN = [option for option in run.params if option.name != "gateway_port"]
"""The options of `run`; here `--port` is that of the page."""


@click.command("serve", short_help="Run bots with their page in the browser.", params=_OF_RUN)
@where_options
@people_option("--alerts", "Send alerts to these people.")
def serve(people: Path | None, **options: Any) -> None:
    """Run the bots of SPECS as 'rulebot run' does, and show them on a page: what each does and waits for, and why.

    The page shows everything within a second, and passes requests to the engine. With --sim --speed 30 a whole day
    passes in thirteen minutes. After the run the page stays until Ctrl+C, unless it is a service. With --alerts people
    get alerts anywhere (docs/alerts.md).

    --wait-for-gateway makes it a service: the page is there before the gateway, and says what is awaited; outside
    sessions the engine idles; systemd and health checks get its state (docs/service.md).

    Exit code: as of 'rulebot run'; 2 and 3 also when the page cannot be served.
    """
    check_packages()
    where = {name: options.pop(name) for name in WHERE_NAMES}
    page = EmbeddedPage(where, None if people is None else notifier_to(people), _check_up(options))
    try:
        run_with(options, page)
        if not options["wait_for_gateway"]:
            page.stay()
    finally:
        page.close()


def _check_up(options: dict[str, Any]) -> list[str]:
    """Return the command that checks a service before each open; none without trading, or without waiting.

    An exits-only service enters nothing of its specs, so only the files beside them are checked.
    """
    if options["sim"] or options["observe"] or not options["wait_for_gateway"]:
        return []
    mode = "--live" if options["live"] else "--paper"
    command = [sys.executable, "-m", "rulebot.cli.main", "doctor", mode, "--no-audit", "--format", "json"]
    named = (("gateway", "address"), ("account", "account"), ("store", "store"), ("settings", "settings"))
    for flag, name in named:
        command += [f"--{flag}", str(options[name])] if options[name] is not None else []
    for setting in options["overrides"]:
        command += ["--set", setting]
    return [*command, *(["--exits-only"] if options["exits_only"] else []), *options["specs"]]
