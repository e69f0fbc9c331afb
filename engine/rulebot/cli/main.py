"""`rulebot`: the command line. A command's module is imported when the command is used, not before."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rulebot.cli.exit_codes import READER_GONE, STOPPED_BY_HAND, THE_WORLD_FAILED
from rulebot.model.collector import leave_at_end, tune_gc_for_program, without_collection
from rulebot.model.errors import RulebotError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_SAFE_PATH = "PYTHONSAFEPATH"
_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""How a system says that what was printed has no place: a full disk, or a terminal that is gone."""
_ENDED_BY_A_SIGN = ("strict", "surrogateescape")
"""What a stream does with a sign that its encoding lacks: as most have it, and as that of the C locale, fail."""


class _Entry(NamedTuple):
    """The place of a command, as `module:name`, and its line in the list of commands."""

    target: str
    help: str


SECTIONS = {
    "Write a bot": {
        "new": _Entry("rulebot.cli.write_spec:new", "Write a new spec."),
        "validate": _Entry("rulebot.cli.validate:validate", "Check specs; report every problem with its place."),
        "explain": _Entry("rulebot.cli.explain:explain", "Explain a spec, a word or a code in plain words."),
        "diff": _Entry("rulebot.cli.diff:diff", "Compare specs by meaning; mark what risks more."),
        "fmt": _Entry("rulebot.cli.write_spec:fmt", "Format specs; meaning and comments stay."),
        "symbols": _Entry("rulebot.cli.past.scan:symbols", "Ask the broker which symbols cannot be traded."),
        "schema": _Entry("rulebot.cli.write_spec:schema", "Print the JSON Schema for editors."),
    },
    "Try it without a broker": {
        "test": _Entry("rulebot.cli.past.test:test", "Run the tests of specs."),
        "data": _Entry("rulebot.cli.past.data:data", "Add, check and list option data of your own."),
        "backtest": _Entry("rulebot.cli.past.backtest:backtest", "Run bots over past sessions."),
        "sweep": _Entry("rulebot.cli.past.sweep:sweep", "Run variants of a bot over past sessions."),
        "train": _Entry("rulebot.cli.past.train:train", "Train a model on a bot's trades."),
        "gateway": _Entry("rulebot.cli.gateway:gateway", "Serve a simulated market to any TWS client."),
        "replay": _Entry("rulebot.cli.past.replay:replay", "Replay a recorded day and compare decisions."),
        "capture": _Entry("rulebot.cli.gateway:capture", "Write an option chain at one moment to a file."),
        "chaos": _Entry("rulebot.cli.past.chaos:chaos", "Test bots under faults and crashes."),
    },
    "Run it": {
        "doctor": _Entry("rulebot.cli.doctor:doctor", "Check that everything is ready for a run."),
        "run": _Entry("rulebot.cli.run:run", "Run bots, on paper or live."),
        "serve": _Entry("rulebot.cli.serve:serve", "Run bots with a page in the browser."),
        "promote": _Entry("rulebot.cli.promote:promote", "Promote a bot to live if its paper record qualifies."),
    },
    "Look": {
        "scan": _Entry("rulebot.cli.past.scan:scan", "Measure and rank the trades that bots would make now."),
        "status": _Entry("rulebot.cli.status:status", "Show open positions and their protection."),
        "list": _Entry("rulebot.cli.status:list_bots", "List the bots that ran."),
        "summary": _Entry("rulebot.cli.summary:summary", "Summarise closed trades."),
        "why": _Entry("rulebot.cli.why:why", "Explain why a bot did, or did not, trade."),
        "chart": _Entry("rulebot.cli.why:chart", "Chart a bot's decisions, also for TradingView."),
        "alerts": _Entry("rulebot.cli.alerts:alerts", "Show and send alerts."),
        "web": _Entry("rulebot.cli.web:web", "Show a store in the browser."),
        "top": _Entry("rulebot.cli.terminal.top:top", "Show a store in the terminal, with keys to act."),
        "health": _Entry("rulebot.cli.status:health", "Check a running page and its engine."),
    },
    "Operate": {
        "enter": _Entry("rulebot.cli.control:enter", "Enter at once by hand, also from a scan."),
        "pause": _Entry("rulebot.cli.control:pause", "Stop entries; exits continue."),
        "resume": _Entry("rulebot.cli.control:resume", "Allow entries again."),
        "reload": _Entry("rulebot.cli.control:reload", "Load changed specs into the running engine."),
        "stop": _Entry("rulebot.cli.control:stop", "Stop the engine; positions stay."),
        "kill": _Entry("rulebot.cli.control:kill", "Cancel entries and stop new ones; exits continue."),
        "store": _Entry("rulebot.cli.store:store", "Audit, back up, export and reconcile the store."),
        "hooks": _Entry("rulebot.cli.alerts:hooks", "Set up and test web hooks."),
        "events": _Entry("rulebot.cli.explain:events", "List and import event calendars."),
    },
}
"""Every command, by what a person is about."""
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
_CLOSING = (
    "'rulebot kill --flatten [BOT]' closes all that is open; one position is closed on the page or in 'rulebot top'"
)
_HALTING = "'rulebot pause [BOT]' stops entries, 'rulebot kill [BOT]' also cancels working entries"
_ELSEWHERE = {
    "close": _CLOSING,
    "flatten": _CLOSING,
    "keep": "what was asked to be closed, and waits, is kept on the page or by 'c' in 'rulebot top'",
    "halt": _HALTING,
}
"""Words that are no commands, and what a person who types them needs."""
_ERROR = "Error: "
_WIDEST = max(len(name) for name in COMMANDS)


class Commands(click.Group):
    """A group that knows its commands by name and imports only the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose module is there."""
        return [name for name, entry in COMMANDS.items() if find_spec(_module(entry)) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now; None for a name that is no command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None or find_spec(_module(entry)) is None:
            return None
        with without_collection():
            command: click.Command = getattr(import_module(_module(entry)), entry.target.partition(":")[2])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names. Raises: UsageError, which says what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from rulebot.spec.diagnostic import did_you_mean

            if hint := _ELSEWHERE.get(args[0]) or did_you_mean(args[0], COMMANDS):
                raise click.UsageError(f"there is no command '{args[0]}'; {hint}", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by what a person is about, without importing any."""
        there = set(self.list_commands(ctx))
        for title, section in SECTIONS.items():
            if rows := [(name.ljust(_WIDEST), entry.help) for name, entry in section.items() if name in there]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands and options that begin like this, without importing any command."""
        from click.shell_completion import CompletionItem

        fitting = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=COMMANDS[name].help) for name in fitting]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; a sign that the terminal's encoding lacks is a question mark, and ends nothing."""
        _open_what_is_closed()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper) and stream.errors in _ENDED_BY_A_SIGN:
                stream.reconfigure(errors="replace")
        leave_at_end()
        try:
            with tune_gc_for_program(), _nothing_of_this_folder():
                return super().main(*args, **kwargs)
        except OSError as error:
            if error.filename is not None or error.errno not in _UNWRITTEN:
                raise
            with suppress(OSError):
                click.echo(f"error: what is printed cannot be written: {error.strerror}", err=True)
            _print_nowhere()
            sys.exit(THE_WORLD_FAILED)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments; `--help` and `--version` print already here."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            _print_nowhere()
            sys.exit(READER_GONE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is wrong with the world becomes one line, an interrupt none."""
        try:
            return super().invoke(ctx)
        except RulebotError as error:
            from rulebot.cli.output import echo

            for line in (*f"error: {error.message}".split("\n"), *([f"  = help: {error.help}"] if error.help else [])):
                echo(line, err=True)
            ctx.exit(error.exit_code)
        except click.UsageError as error:  # click prints it as it is
            reported = error.format_message()
            if (fit := as_it_fits(reported)) == reported:
                raise
            raise click.UsageError(fit, error.ctx) from error
        except KeyboardInterrupt:
            ctx.exit(STOPPED_BY_HAND)
        except BrokenPipeError:
            _print_nowhere()
            ctx.exit(READER_GONE)


def as_it_fits(reported: str) -> str:
    """Return what click says behind `Error: ` as the terminal shows it: harmless, and broken between words."""
    from rulebot.cli.output import broken, harmless

    if not sys.stderr.isatty():
        return reported
    return broken(f"{_ERROR}{harmless(reported)}", err=True).removeprefix(_ERROR)


def _open_what_is_closed() -> None:
    """Give a process that was started without input, output or errors (`>&-`) such as go nowhere.

    Its next file would be opened under their number, and what is printed would be written into it.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


@contextmanager
def _nothing_of_this_folder() -> Iterator[None]:
    """Let processes that are started meanwhile import nothing from this one's working folder.

    Python looks there first in what is started with `-m` or `-c`, as worker processes are: a `pickle.py` beside specs
    from elsewhere would run.
    """
    if _SAFE_PATH in os.environ or sys.path[0] in ("", _folder()):
        yield
        return
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SAFE_PATH, None)


def _folder() -> str:
    """Return the folder that this process works in, "" where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _print_nowhere() -> None:
    """Discard pending output: the end of the process would fail at it again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _module(entry: _Entry) -> str:
    return entry.target.partition(":")[0]


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"rulebot {version('rulebot')}")
    except PackageNotFoundError:
        click.echo("rulebot, from a checkout that is not installed")
    ctx.exit()


@click.command(cls=Commands, name="rulebot", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """Options bots for Interactive Brokers, written as YAML and run to the letter."""


if __name__ == "__main__":
    main(prog_name="rulebot")


# --- docs/commands.md

_HEAD = """\
# Commands

Every command with its options. `rulebot COMMAND --help` has the details. This page is generated. PATH and SPEC are
files, folders with all below them, or patterns; BOT is a name, STORE a file or a postgresql:// URL.

| exit code | meaning |
|---|---|
| 0 | success |
| 1 | the answer is no: errors in a document, a failed check or test, a difference |
| 2 | misuse of the command |
| 3 | a file, store, broker or data source failed |
| 130, 141 | interrupted; the output is not read (`rulebot why BOT \\| head`) |

Other codes are in `--help`. "As above" lists options that an earlier command explains.
"""
_Record = tuple[str, str]


def document() -> str:
    """Return the page: the commands by purpose, each with its usage and one line an option."""
    root = click.Context(main, info_name="rulebot")
    contents = "\n".join(
        f"- [{title}](#{title.lower().replace(' ', '-')}): {', '.join(names)}" for title, names in SECTIONS.items()
    )
    parts, shown = [_HEAD.rstrip(), contents], set[_Record]()
    for title, section in SECTIONS.items():
        parts.append(f"## {title}")
        for context in (each for name in section for each in _with_parts(name, root)):
            parts += _command(context, shown)
            shown.update(_records(context))
    return "\n\n".join(parts) + "\n"


def _with_parts(name: str, parent: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command, and those of the commands below it."""
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None, f"{name} is listed and is no command"
    context = click.Context(command, parent, name)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _with_parts(inner, context)


def _records(context: click.Context) -> list[_Record]:
    """Return name and text of the options that a command shows."""
    options = [each for each in context.command.params if isinstance(each, click.Option) and not each.hidden]
    return [record for each in options if (record := each.get_help_record(context)) is not None]


def _command(context: click.Context, shown: set[_Record]) -> Iterator[str]:
    yield f"### {context.command_path}"
    usage = " ".join(each for each in context.command.collect_usage_pieces(context) if each != "[OPTIONS]")
    path = context.command_path.split()[1:]
    first = (
        COMMANDS[path[0]].help
        if len(path) == 1
        else " ".join((context.command.help or "").partition("\n\n")[0].split())
    )
    yield f"`{context.command_path} {usage}`".replace(" `", "`") + f": {first}"
    records = _records(context)
    rows = [f"- `{name}`: {' '.join(text.split())}" for name, text in records if (name, text) not in shown]
    if known := [f"`{name.split()[0]}`" for name, text in records if (name, text) in shown]:
        rows.append(f"- As above: {', '.join(known)}")
    if rows:
        yield "\n".join(rows)
