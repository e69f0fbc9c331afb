"""Options that several commands share: where the gateway is, the settings, and parameters of the specs."""

from pathlib import Path

import click

gateway_option = click.option(
    "--gateway",
    "address",
    metavar="HOST:PORT",
    help="Where IB Gateway or TWS listens (default: port 4002 or 7497 here, live 4001 or 7496); "
    "with --sim a 'rulebot gateway'.",
)
settings_option = click.option(
    "--settings", type=click.Path(path_type=Path), help="The settings file (default: rulebot.toml)."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the specs."
)
