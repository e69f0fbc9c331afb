"""Specs as the command line takes them: paths, and by their bare names those that came along."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class SpecPaths(click.Path):
    """A path, or the name of a shipped spec; a shell completes both."""

    name = "spec"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return the shipped specs that fit, and that files are to be looked for."""
        from click.shell_completion import CompletionItem

        from rulebot.spec.files import shipped_names

        names = [CompletionItem(name, help="shipped") for name in shipped_names() if name.startswith(incomplete)]
        return [*names, *super().shell_complete(ctx, param, incomplete)]


SPECS = SpecPaths()
