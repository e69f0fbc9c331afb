"""Which options of `rulebot run` do not go together."""

from collections.abc import Mapping
from typing import Any

from rulebot.model.errors import MisuseError

_OF_THE_MARKET = ("seed", "day", "market", "recording", "positions", "shares", "ledger", "speed")


def _flag(name: str) -> str:
    return "date" if name == "day" else name


def check_together(options: Mapping[str, Any]) -> None:
    """Refuse what does not go together. Raises: MisuseError."""
    if options["live"] + options["paper"] + options["observe"] > 1:
        raise MisuseError("--observe, --paper and --live are runs of their own, each with its own store")
    if options["address"] and options.get("gateway_port") is not None:
        raise MisuseError("--gateway HOST:PORT names a port already: leave --port out")
    if options["fills"] is not None and not options["observe"] and not options["shadows"]:
        raise MisuseError("--fills is for --observe and --shadow: elsewhere the broker fills")
    if options["shadows"] and (options["observe"] or options["exits_only"]):
        raise MisuseError("--shadow is beside bots that trade: not with --observe, nor --exits-only")
    if options["exits_only"] and options["observe"]:
        raise MisuseError("--exits-only watches what an account holds, and --observe holds nothing")
    if options["live"] and options["sim"]:
        raise MisuseError(
            "--sim is no real money: --live does not go with it",
            "to try --live, let 'rulebot gateway --account U1234567' play the account (docs/live.md)",
        )
    if options["yes_i_mean"] is not None and not options["live"]:
        raise MisuseError("--yes-i-mean confirms the account of --live")
    if not options["sim"]:
        for name in _OF_THE_MARKET:
            if options[name] is not None:
                raise MisuseError(f"--{_flag(name)} is for the simulated market: add --sim")
    attaches = options["address"] or options.get("gateway_port") is not None
    if options["sim"] and attaches:
        for name in _OF_THE_MARKET:
            if options[name] is not None:
                raise MisuseError(f"--{_flag(name)} is the gateway's own: give it to 'rulebot gateway'")
    if options["recording"] is not None:
        for name in ("day", "days", "market"):
            if options[name] is not None:
                raise MisuseError(f"--recording is the market of its own day: leave --{_flag(name)} out")
    if options["exits_only"] and options["sim"] and not attaches:
        raise MisuseError("--exits-only has nothing to watch in a new simulated market", "attach with --gateway")
    if options["wait_for_gateway"] and options["sim"] and not attaches:
        raise MisuseError("--wait-for-gateway has nothing to wait for: --sim brings its gateway")
    if options["drift"] and options["no_tape"]:
        raise MisuseError("--drift reads the recording of the day: leave --no-tape out")
    if options["until"] and options["days"]:
        raise MisuseError("--until close is one session: leave --days out")
