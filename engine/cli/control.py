"""`rulebot stop`, `pause`, `resume` and `kill`: requests left for a running engine, which alone acts on them."""

from pathlib import Path

import click

from engine.model.event import Request

_STORE = click.option(
    "--store", type=click.Path(path_type=Path), help="The store of the engine that is meant; else the last run's."
)


def _leave(request: Request, bot: str, store: Path | None) -> Path:
    from engine.run.inbox import post
    from engine.store.latest import chosen_store

    found = chosen_store(store)
    post(found, request, bot)
    return found


@click.command()
@_STORE
def stop(store: Path | None) -> None:
    """End the engine: entries at work are cancelled, exits stay at the broker, positions stay as they are."""
    click.echo(f"asked the engine of {_leave(Request.STOP, '', store)} to end")


@click.command()
@click.argument("bot", default="")
@_STORE
def pause(bot: str, store: Path | None) -> None:
    """Let BOT (or all bots) enter nothing more; exits go on."""
    found = _leave(Request.PAUSE, bot, store)
    click.echo(f"asked the engine of {found} to pause {bot or 'all bots'}")


@click.command()
@click.argument("bot", default="")
@_STORE
def resume(bot: str, store: Path | None) -> None:
    """Let BOT (or all bots) enter again after a pause or a kill."""
    found = _leave(Request.RESUME, bot, store)
    click.echo(f"asked the engine of {found} to resume {bot or 'all bots'}")


@click.command()
@click.argument("bot", default="")
@_STORE
def kill(bot: str, store: Path | None) -> None:
    """Cancel every entry of BOT (or of all bots) and open nothing more; exits go on."""
    found = _leave(Request.KILL, bot, store)
    click.echo(f"asked the engine of {found} to kill {bot or 'all bots'}: it only reduces from now on")
