"""Whether an option was given by the person who typed the command: some may not stand beside others."""

import click
from click.core import ParameterSource


def is_explicit(name: str) -> bool:
    """Say whether an option of this command, by its parameter's name, stands on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
