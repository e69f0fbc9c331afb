"""`rulebot alerts`: the alerts of a store, and sending them."""

import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import is_explicit
from rulebot.cli.output import echo, hung, print_text
from rulebot.cli.store_options import ENGINE_STORE, print_json, shows_store
from rulebot.model.errors import MisuseError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.store.place import Place, shown_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulebot.alerts.notifier import Notifier
    from rulebot.alerts.outbox import Outbox, StoredAlert
    from rulebot.alerts.people import People
    from rulebot.alerts.send import DeliveryService

NEEDS = "telling people needs a package that is not installed"
HELP = 'pip install "rulebot[alerts]"'
SHOWN = 20


def people_option(name: str, help: str) -> "Callable[..., Any]":
    """Return the option that names the file of people."""
    return click.option(
        name,
        "people",
        metavar="FILE",
        envvar="RULEBOT_ALERTS",
        show_envvar=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help=help,
    )


@click.command("alerts", short_help="List alerts and who got them; send what waits.")
@people_option("--to", "The people: their addresses, what they want to hear, when they sleep.")
@click.option("--send", is_flag=True, help="Send alerts until Ctrl+C, whichever engine writes the store.")
@click.option("--test", "is_test", is_flag=True, help="Send a message to everybody, and say whether it was taken.")
@click.option("--ack", metavar="NUMBER", help="Say that an alert was seen, by its number; 'all' for all.")
@shows_store
def alerts(store: Place | None, form: str, people: Path | None, send: bool, is_test: bool, ack: str | None) -> None:
    """Show a store's last alerts with their recipients: alarms, halts, lost connections, trades, each day's digest.

    Grave ones are repeated until they are acknowledged. 'rulebot serve --alerts FILE' sends them; --send does it from a
    separate process, which also notices a dead engine. docs/alerts.md has the file.

    Exit code: 0; 1 when the file is wrong, or a --test message was not accepted; 2 for misuse; 3 when the store or the
    file cannot be read.
    """
    if sum((send, is_test, ack is not None)) > 1:
        raise click.UsageError("--send, --test and --ack are three things: one at a time")
    _check_used(send=send, is_test=is_test, is_ack=ack is not None)
    if is_test:
        _test(_people(people))
        return
    from rulebot.store.registry import shown_store

    place = shown_store(store)
    if send:
        _send(place, _people(people))
    elif ack is not None:
        _acknowledge(place, ack)
    else:
        _show(place, form)


def _check_used(*, send: bool, is_test: bool, is_ack: bool) -> None:
    """Refuse a flag that would change nothing. Raises: click.UsageError."""
    unused = (
        ("people", "--to", not (send or is_test), "--send and --test"),
        ("store", "--store", is_test, "all but --test, which sends to everybody without one"),
        ("form", "--format", send or is_test or is_ack, "what is shown"),
    )
    for name, flag, is_idle, used in unused:
        if is_idle and is_explicit(name):
            raise click.UsageError(f"{flag} is for {used}")


def _people(file: Path | None) -> "People":
    from rulebot.alerts.people import read_people

    if file is None:
        raise MisuseError("no recipient is named", "--to FILE, or RULEBOT_ALERTS; docs/alerts.md has the file")
    return read_people(file)


def sender_to(people: "People") -> "DeliveryService":
    """Return what sends to people. Raises: MisuseError when the package is missing, SpecError for a wrong address."""
    try:
        from rulebot.alerts.send import DeliveryService
    except ModuleNotFoundError as error:
        raise MisuseError(NEEDS, HELP) from error
    from rulebot.process.settings import keep_address_secret

    for person in people.people:
        keep_address_secret(person.url)
    return DeliveryService(people.people)


def notifier_to(file: Path) -> "Callable[[Place], Notifier]":
    """Return what makes the teller of a store to the people of a file. Raises: MisuseError, SpecError, StoreError."""
    from rulebot.alerts.notifier import Notifier

    people = _people(file)
    send = sender_to(people)
    return lambda store: Notifier(store, people, send)


def _test(people: "People") -> None:
    from rulebot.alerts.find import Grade
    from rulebot.alerts.notifier import hello
    from rulebot.alerts.send import NotSentError

    sender = sender_to(people)
    is_bad = False
    for person in people.people:
        try:
            text = hello() if person.is_program else "If you read this, alerts reach you."
            sender(person.name, "rulebot: a test", text, Grade.GRAVE)
            print_text(f" {person.name}  taken ({sender.service(person.name)})")
        except NotSentError as error:
            is_bad = True
            print_text(f" {person.name}  NOT sent ({sender.service(person.name)}): {error}")
    if is_bad:
        raise click.exceptions.Exit(1)


def _send(place: Place, people: "People") -> None:
    from rulebot.alerts.notifier import Notifier, work
    from rulebot.cli.web import HEED_EVERY, stop_signals

    alert_sender = Notifier(place, people, sender_to(people))
    received, stop = stop_signals(), threading.Event()
    names = ", ".join(person.name for person in people.people)
    print_text(f" store {shown_path(place)}\n tells {names}; Ctrl+C ends it, and unsent alerts are kept")
    said = ""
    worker = threading.Thread(target=work, args=(alert_sender, stop), daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(HEED_EVERY)
        if received:
            stop.set()
        if alert_sender.trouble != said:
            said = alert_sender.trouble
            print_text(f" {said or 'all is well again'}", err=True)
    alert_sender.close()


def _outbox(place: Place) -> "Outbox":
    from rulebot.alerts.notifier import outbox_path
    from rulebot.alerts.outbox import Outbox

    path = outbox_path(place)
    if not path.is_file():
        raise MisuseError(
            f"no alerts have been sent of {shown_path(place)}",
            "'rulebot serve --alerts FILE' and 'rulebot alerts --send --to FILE' send them",
        )
    return Outbox(path)


def _acknowledge(place: Place, which: str) -> None:
    from rulebot.adapters.clock import WallClock

    if which != "all" and not (which.isascii() and which.isdigit() and len(which) < 16):
        raise click.UsageError(f"an alert is named by its number, or 'all'; is '{which[:20]}'")
    outbox = _outbox(place)
    try:
        done = outbox.acknowledge(None if which == "all" else int(which), WallClock().now())
    finally:
        outbox.close()
    under = "" if which == "all" else " under that number"
    print_text(f" {done} acknowledged" if done else f" nothing was left to be acknowledged{under}")


def _show(place: Place, form: str) -> None:
    outbox = _outbox(place)
    try:
        found, decisions = outbox.newest(SHOWN), outbox.unreported_decisions()
    finally:
        outbox.close()
    if form == "json":
        print_json({"alerts": [_document(kept, fates) for kept, fates in found], "decisions": decisions})
        return
    print_text(f" store {shown_path(place)}")
    for line in decisions:
        print_text(f" {line}")
    if not found:
        print_text(" nothing has been worth telling")
    for kept, fates in found:
        alert = kept.alert
        seen = "" if alert.grade.value != "grave" else "  seen" if kept.is_acknowledged else "  NOT ACKNOWLEDGED"
        clock = f"{alert.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}"
        times = f" ({kept.count} times)" if kept.count > 1 else ""
        first, *rest = alert.text.split("\n")
        lead = f"{kept.id:>6}  {clock}  {alert.grade.value:<8}"
        print_text(hung(lead, f"{alert.bot + ': ' if alert.bot else ''}{first}{times}{seen}"))
        for line in rest:
            print_text(hung(" " * len(lead), line))
        if fates:
            print_text(hung(" " * len(lead), "; ".join(fates)))


def _document(kept: "StoredAlert", fates: tuple[str, ...]) -> dict[str, Any]:
    at: datetime = kept.alert.at.astimezone(EXCHANGE_ZONE)
    return {
        "id": kept.id,
        "at": at.isoformat(),
        "grade": kept.alert.grade.value,
        "bot": kept.alert.bot,
        "text": kept.alert.text,
        "count": kept.count,
        "acknowledged": kept.is_acknowledged,
        "deliveries": list(fates),
    }


# --- `rulebot hooks`: lets web hooks of other programs in, and sends one by hand

_WORD = r"[a-z][a-z0-9_]{0,39}"


@click.group(short_help="Let web hooks of other programs in, and try one.")
def hooks() -> None:
    """Web hooks of TradingView and the like, which a spec asks for by 'webhook: {name: .., within: ..}'."""


@hooks.command("secret", short_help="Make, or remove, the secret that web hooks must bring.")
@click.option("--new", is_flag=True, help="Take another secret; what still brings the old one is refused.")
@click.option("--off", is_flag=True, help="Remove it: web hooks are no longer received.")
def hooks_secret(new: bool, off: bool) -> None:
    """Make the secret that web hooks must bring, and say in which file it is; it is not printed.

    Without one no web hook is received. A page and an engine read it when they start.

    Exit code: 0 when it is as asked, 2 for misuse, 3 when the file cannot be read or written.
    """
    from rulebot.store.place import HOOK_SECRET, data_folder, hook_secret, hook_secret_file, make_secret

    if new and off:
        raise MisuseError("--new and --off exclude each other")
    folder = data_folder()
    file = hook_secret_file(folder)
    if new or off:
        _remove(file)
    if off:
        echo(f" web hooks are off once the page and the engine are restarted{_unless_given(folder)}")
        return
    if not new and (kept := hook_secret(folder)[1]) and kept != str(file):
        echo(f" web hooks must bring the secret in {kept}")
        return
    make_secret(file)
    _, kept = hook_secret(folder)
    echo(f" web hooks must bring the secret in {kept}; the page and the engine take it when they start")
    if kept != str(file):
        echo(f" {shown_path(file)} is not asked: {HOOK_SECRET} goes before it")
    echo(' a message: {"secret": "..", "says": "up", "time": "{{timenow}}"}')


def _remove(file: Path) -> None:
    from rulebot.model.errors import StoreError

    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{file} cannot be removed: {error.strerror}") from error


def _unless_given(folder: Path) -> str:
    from rulebot.store.place import hook_secret

    _, kept = hook_secret(folder)
    return f"; but {kept} still sets one" if kept else ""


@hooks.command("send", short_help="Send one to an engine by hand, past the page.")
@click.argument("name")
@click.option("--says", default="", metavar="WORD", help="The word that it brings.")
@ENGINE_STORE
def hooks_send(name: str, says: str, store: Place | None) -> None:
    """Send the engine of a store a web hook NAME by hand, past the page and its secret.

    Exit code: 0 when it was left, 2 for misuse, 3 when it cannot be.
    """
    import re

    from rulebot.operator_requests.requests import post_hook
    from rulebot.store.registry import engine_store, is_in_use

    says = says.strip().lower()  # as the page reads it
    if re.fullmatch(_WORD, name) is None:
        raise MisuseError(f"a name is lower-case letters, digits and _, at most 40, is '{name[:60]}'")
    if says and re.fullmatch(_WORD, says) is None:
        raise MisuseError(
            f"--says is one word: letters, digits and _, at most 40, the first a letter, is '{says[:60]}'"
        )
    found = engine_store(store)
    post_hook(found, name, says)
    later = "" if is_in_use(found) else "; no engine runs: the next one reads it"
    echo(f" sent {name} to the engine of {found}{later}")
    asked = _asked_for(found)
    if asked is not None and name not in asked:
        others = f": asked for is {', '.join(sorted(asked))}" if asked else ""
        echo(f" no bot of it asks for {name}{others}")


def _asked_for(store: Place) -> set[str] | None:
    """Return the names of hooks that bots of a store ask for, as they ran last; None where that is not known."""
    from rulebot.documents.load_bots import compile_text
    from rulebot.model.errors import StoreError
    from rulebot.recovery.resume import spec_texts
    from rulebot.store.queries import StoreReader

    try:
        with StoreReader(store) as reader:
            texts = spec_texts(dict(reader.run().specs))
        return {name for text in texts for name in compile_text(text).plan.needs.hook_names} if texts else None
    except StoreError:  # nothing has run there yet, or another version did
        return None
