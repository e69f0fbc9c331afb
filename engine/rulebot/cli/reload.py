"""`rulebot reload`: changed specs for a running engine, checked and shown before it is asked."""

from datetime import date
from typing import Any

import click

from rulebot.cli.stores import STORE
from rulebot.cli.width import echo
from rulebot.store.place import Place


@click.command()
@click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store of the engine that is meant (default: of the one that runs).",
)
def reload(store: Place | None) -> None:
    """Let the running engine read its specs and the account document again, and take up what has changed.

    The files are those that 'rulebot run' was given; folders are looked through anew. Open positions keep the text that
    they were opened under, new entries follow the new one. It happens when no order of a bot that changes is in flight;
    until then 'rulebot status' says what it waits for. A problem in any file, and nothing changes.

    Exit code: 0 when the engine was asked, 1 for problems in the files, 2 when nothing is left to run, 3 when no engine
    runs.
    """
    from rulebot.cli.validate import show_problems
    from rulebot.core.reloading import changes_between
    from rulebot.documents.load_bots import ProblemsError
    from rulebot.documents.parameter_overrides import TAKEN_BACK, kept_in, left_out_words
    from rulebot.documents.reload_specs import digests_of, limit_words, reread, sources_of, told_limits
    from rulebot.live.reload_limits import LiveRun, refuse_account
    from rulebot.model.errors import StoreError
    from rulebot.model.event import Request
    from rulebot.operator.request_inbox import post
    from rulebot.spec.diagnostic import headline
    from rulebot.store.latest import engine_store
    from rulebot.store.open import is_in_use
    from rulebot.store.queries import OBSERVE, StoreReader

    found = engine_store(store)
    if not is_in_use(found):
        raise StoreError(f"no engine is running on {found}", "nothing is to be done: the next start reads the files")
    with StoreReader(found) as reader:
        run, kept = reader.run(), kept_in(reader)
    if run.started is None or run.ended is not None:
        raise StoreError(
            f"the engine of {found} is only starting, or waits for its gateway",
            "it has read its files by now: ask again once it is connected, or start it anew",
        )
    told = run.started.data
    sources = sources_of(told.get("sources"))
    if sources is None:
        raise StoreError(
            f"the engine of {found} runs no specs that could be read again", "stop it and start it with the specs"
        )
    try:
        desk = reread(sources, kept)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    settings: Any = told.get("settings") or {}
    is_free = bool(told.get("lockstep")) or settings.get("mode") == OBSERVE
    live = LiveRun(found, bool(told.get("simulated"))) if settings.get("mode") == "live" else None
    today = run.session or date.fromisoformat(str(told["session"]))
    running = digests_of(run.specs)
    refuse_account(
        desk,
        str(told.get("account")),
        today,
        running=running,
        had_limits=run.limits is not None,
        any_account=is_free,
        live=live,
    )
    for warning in dict.fromkeys(desk.warnings):
        echo(f" warning: {headline(warning)}")
    for words in left_out_words(desk):
        echo(f" warning: a value is left out: {words}; {TAKEN_BACK}")
    changes = changes_between(running, desk.digests)
    lines = [*(each.words for each in changes), *limit_words(run.limits, told_limits(desk))]
    post(found, Request.RELOAD)
    for line in lines:
        echo(f" {line}")
    if not lines:
        echo(f"the files say what the engine of {found} runs already")
        return
    echo(f"asked the engine of {found} to reload; it does so when these bots have nothing in flight")
