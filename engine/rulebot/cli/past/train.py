"""`rulebot train`: a model of when a bot's trades end well, tried forward in time, and written as plain numbers."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import FORMAT, SPECS, WholeNumber, is_explicit
from rulebot.cli.output import echo, print_text
from rulebot.cli.past_options import FROM, LINES, MODEL, SAMPLES, TO, WORKERS, as_source, check_output, named
from rulebot.model.errors import MisuseError, RulebotError, StoreError
from rulebot.model.text import aligned, counted
from rulebot.train.fit import Report

if TYPE_CHECKING:
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.train.minutes import Samples
    from rulebot.train.train import TrainOptions

_OF_SESSIONS = {"first": "--from", "last": "--to", "fills": "--fills", "lines": "--lines", "workers": "--workers"}
"""Options that say how past sessions are run through."""

DATA = ("source", "is_modelled", "fills")
"""What a backtest's settings say of its sessions, and a model's file of its training."""


@click.command("train", short_help="Train a model of when a bot's trades end well.")
@click.argument("spec", type=SPECS)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The model file to write, *.json.")
@click.option(
    "--data",
    callback=as_source,
    metavar="SOURCE",
    help="Past sessions to run the bot over first (docs/history-data.md).",
)
@FROM
@TO
@click.option("--fills", default="natural", show_default=True, metavar="MODEL", help="As 'rulebot backtest' has it.")
@LINES
@WORKERS
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A backtest made with --features to train on; with --data, where the backtest is kept.",
)
@click.option(
    "--place",
    type=click.Choice(["when", "require"]),
    default="when",
    show_default=True,
    help="Where the model is used: in legs.require it may read the legs too.",
)
@click.option("--features", metavar="NAME,...", help="What it may read (default: the usual ones, docs/learning.md).")
@click.option(
    "--minutes",
    "every",
    type=WholeNumber(1, 390),
    metavar="N",
    help="With --data: learn from an entry forced at every N minutes of the bot's window, not from its own trades.",
)
@click.option(
    "--samples",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write what was learned from as CSV: entry, end, dollars a structure, features.",
)
@click.option(
    "--target",
    default="profit",
    show_default=True,
    metavar="WHAT",
    help="What a good trade is: profit, or top:30% for the best three tenths.",
)
@click.option("--folds", type=WholeNumber(2, 20), default=5, show_default=True, help="Trials, one after the other.")
@click.option(
    "--embargo",
    type=WholeNumber(0, 365),
    default=1,
    show_default=True,
    metavar="DAYS",
    help="How long before a trial a trade must have ended to be trained on.",
)
@click.option("--seed", type=WholeNumber(0, 2**32 - 1), default=1, show_default=True, help="The seed of all chance.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the spec.")
@FORMAT
def train(spec: str, **options: Any) -> None:
    """Train a model on the trades that the bot of SPEC made in a backtest.

    A weighted sum and boosted trees are tried on trades that came after those they were trained on; the sum is taken
    unless trees are clearly better. The report is of those trials alone. --out gets a file of plain numbers, and the
    condition that names it is shown.

    Exit code: 0 when a model was trained, 1 for problems in SPEC or too few trades, 2 for misuse, 3 when scikit-learn
    is not installed, or data, store or file cannot be read or written.
    """
    import logging

    from rulebot.cli.past_options import finding_lines, write_file
    from rulebot.model.learned_model import digest_of
    from rulebot.train.fit import figures, library
    from rulebot.train.minutes import table_of
    from rulebot.train.train import text_of_model
    from rulebot.train.train import train as trained

    asked, out, is_json = _asked(options), options["out"], options["form"] == "json"
    if out is not None and out.suffix != ".json":
        raise MisuseError(f"a model is a .json file, is '{out}'")
    check_output("--out", out, MODEL)
    check_output("--samples", options["table"], SAMPLES)
    version = library()
    logging.getLogger("rulebot").setLevel(logging.ERROR)
    desk = _desk(spec, options)
    samples, tried = _samples(desk, options)
    lines = [f" {tried}"] if tried and not is_json else []
    lines += [*finding_lines(samples.findings), ""] if samples.findings and not is_json else []
    try:
        if options["table"] is not None:
            write_file(options["table"], table_of(samples))
        model, report = trained(samples, asked)
    except RulebotError:  # the flaws of the data may be the reason
        _show(lines)
        raise
    own = [] if options["every"] is not None else _own_models(desk)
    origin = _origin(desk, samples, asked, options["target"], version, figures(report))
    text = text_of_model(model, {**origin, "let_through_by": own})
    unwritten = _unwritten(out, text)  # before the report, whose reader may go away
    kept = None if unwritten else out
    if is_json:
        _print_document(kept, text, samples, own, figures(report))
    else:
        _show([*lines, *report_lines(report, samples.settings, own)])
        if kept is not None:
            _show_condition(kept, Path(desk.texts[0].file), samples.place, digest_of(text), report.rate)
    if unwritten is not None:
        raise unwritten


def _print_document(
    kept: Path | None, text: str, samples: "Samples", own: Sequence[str], figures: Mapping[str, Any]
) -> None:
    from rulebot.model.learned_model import digest_of

    file, sha256 = (None, None) if kept is None else (str(kept), digest_of(text))
    data = {key: samples.settings.get(key) for key in DATA}
    reported = {"file": file, "sha256": sha256, **data, "let_through_by": own, **figures, "findings": samples.findings}
    print_text(json.dumps(reported, indent=1, default=str))


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)


def _unwritten(out: Path | None, text: str) -> StoreError | None:
    """Write a model where requested, and return why that failed: its report is shown anyway."""
    from rulebot.cli.past_options import write_file

    try:
        if out is not None:
            write_file(out, text)
    except StoreError as error:
        return error
    return None


def _show_condition(out: Path, spec: Path, place: str, sha256: str, rate: float) -> None:
    """Show the condition that names a model, and where the model must be for it."""
    print_text("")
    print_text(f" {out} is written. In {'entry.when' if place == 'when' else 'legs.require'}:")
    print_text(f"   - model: {{file: {_named_by(spec, out)}, sha256: {sha256}, above: {rate:.2f}}}")
    if not _is_beside(spec, out):
        print_text(f" Put it next to {spec}, or in a folder next to it: conditions cannot name files elsewhere.")


def _asked(options: dict[str, Any]) -> "TrainOptions":
    """Return how to train. Raises: MisuseError."""
    from rulebot.train.train import TrainOptions

    return TrainOptions(
        above=_above(options["target"]),
        folds=options["folds"],
        embargo=timedelta(days=options["embargo"]),
        seed=options["seed"],
    )


def _above(target: str) -> float | None:
    """Return the part of all trades below a good one, None when any profit is good. Raises: MisuseError."""
    if target == "profit":
        return None
    word, _, part = target.partition(":")
    digits = part.removesuffix("%")
    if word != "top" or not digits.isdecimal() or not part.endswith("%") or not 1 <= int(digits) <= 99:
        raise MisuseError(f"a target is profit, or top:1% to top:99%, is '{target}'")
    return 1.0 - int(digits) / 100.0


def _desk(spec: str, options: dict[str, Any]) -> "LoadedBots":
    """Return the compiled bot. Raises: click's Exit for problems in it, MisuseError for several."""
    from rulebot.cli.past.backtest import load

    desk = load((spec,), options["overrides"], None)
    if len(desk.bots) != 1:
        raise MisuseError(f"a model is trained on one bot, and {spec} holds {len(desk.bots)}")
    return desk


def _samples(desk: "LoadedBots", options: dict[str, Any]) -> "tuple[Samples, str]":
    """Return the trades to train on, after a backtest if data was named, and of minutes how many were tried, in words.

    Raises: MisuseError, StoreError.
    """
    from tempfile import TemporaryDirectory

    from rulebot.train.minutes import only, read_samples

    ((name, digest),) = desk.digests.items()
    named = list(dict.fromkeys(each.strip() for each in (options["features"] or "").split(",") if each.strip()))
    if options["features"] is not None and not named:
        raise MisuseError("--features names none", "leave it out for the usual ones, docs/learning.md")
    if options["every"] is not None:
        return _of_minutes(desk, named, options)
    if options["data"] is None:
        if options["store"] is None:
            raise MisuseError("there is nothing to train on", "name past sessions by --data, or a backtest by --store")
        _refuse_of_sessions()
        found = read_samples(options["store"], name, digest)
        if is_explicit("place") and options["place"] != found.place:
            help = f"run it again with --features {options['place']}"
            raise MisuseError(f"{options['store']} holds features for {found.place}, not {options['place']}", help)
        return only(found, named) if named else found, ""
    with TemporaryDirectory() as folder:
        store = options["store"] or Path(folder) / "backtest.db"
        _backtest(desk, store, named, options)
        return read_samples(store, name, digest), ""


def _refuse_of_sessions() -> None:
    """Refuse what changes nothing about a backtest that is there. Raises: MisuseError."""
    for name, flag in _OF_SESSIONS.items():
        if is_explicit(name):
            help = "name them by --data, or give it to 'rulebot backtest --features'"
            raise MisuseError(f"{flag} is of past sessions, and a store alone holds those that it has", help)


def _of_minutes(desk: "LoadedBots", named: list[str], options: dict[str, Any]) -> "tuple[Samples, str]":
    """Return what an entry at each minute would have brought, and of how many. Raises: MisuseError, StoreError."""
    from functools import partial

    from rulebot.adapters.sources import open_source
    from rulebot.backtest.sampling import sampling
    from rulebot.calendars.calendars import load_calendar
    from rulebot.cli.past_options import asked_fills, cores, session_range, sessions_bar
    from rulebot.train.minutes import MinuteSamplingOptions, sample_minutes

    if options["data"] is None or options["store"] is not None:
        raise MisuseError("--minutes makes its trades from --data alone", "leave --store out")
    opens = partial(open_source, options["data"])
    first, last = session_range(opens(), options["data"], options["first"], options["last"])
    asked = MinuteSamplingOptions(
        desk=desk.packed(),
        opens=opens,
        first=first,
        last=last,
        fills=asked_fills(options["fills"]),
        lines=options["lines"],
        every=options["every"],
        sampling=sampling(options["place"], named),
        calendar=load_calendar,
    )
    with sessions_bar(options["form"]) as reported:
        found, tried = sample_minutes(asked, options["workers"] or cores(), reported)
    return found, tried.words


def _backtest(desk: "LoadedBots", store: Path, named: list[str], options: dict[str, Any]) -> None:
    """Run the bot over past sessions, its features noted."""
    from rulebot.backtest.run import run_backtest
    from rulebot.backtest.sampling import sampling
    from rulebot.cli.past.backtest import options_of, progress

    wanted = sampling(options["place"], named)
    usual = {"cash": "1000000", "resume": False}
    with progress(options["form"]) as reported:
        run_backtest(desk, options_of({**options, **usual, "store": store, "sampling": wanted}), reported)


def _is_beside(spec: Path, out: Path) -> bool:
    """Say whether a condition of the spec may name a model's file: beside it, or in one folder beside it."""
    folder = spec.resolve().parent
    return folder in (out.resolve().parent, out.resolve().parent.parent)


def _named_by(spec: Path, out: Path) -> str:
    """Return the model as a condition of the spec names it."""
    return out.resolve().relative_to(spec.resolve().parent).as_posix() if _is_beside(spec, out) else out.name


def _own_models(desk: "LoadedBots") -> list[str]:
    """Return the files of the models by which the bot itself decides what it enters."""
    from rulebot.compile.data_needs import calls_of

    (bot,) = desk.bots.values()
    rules = (*bot.plan.entry.when, *bot.plan.require, *bot.plan.risk.halt_when)
    calls = (call for rule in rules for call in calls_of(rule.test) if call.measure == "model")
    return list(dict.fromkeys(str(call.argument("file")) for call in calls))


def _origin(
    desk: "LoadedBots", samples: "Samples", asked: "TrainOptions", target: str, version: str, figures: dict[str, Any]
) -> dict[str, Any]:
    """Return where a model comes from, for its file."""
    import numpy

    from rulebot.compile.lint.lint import UNDERLYING
    from rulebot.process.processes import release

    ((name, digest),) = desk.digests.items()
    head = {
        "rulebot": release(),
        "scikit_learn": version,
        "numpy": numpy.__version__,
        "bot": name,
        "digest": digest,
        UNDERLYING: desk.bots[name].plan.underlyings[0],
        **{key: samples.settings.get(key) for key in DATA},
        "place": samples.place,
        "minutes": samples.every,
        "target": target,
        "embargo_days": asked.embargo.days,
        "seed": asked.seed,
    }
    return {**head, **figures}


# --- The report of a training for eyes

SHOWN_WEIGHTS = 12


def report_lines(report: Report, data: Mapping[str, Any], own: Sequence[str] = ()) -> Iterator[str]:
    """Yield the whole report. data: its past sessions, from a backtest's settings.

    own: files of the models by which the bot itself enters.
    """
    yield f" {named(str(data.get('source')), bool(data.get('is_modelled')))}; fills {data.get('fills')}"
    than = "a profit" if report.line == 0.0 else f"more than ${report.line:,.2f} a structure"
    days = f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"
    yield f" {counted(report.samples, 'trade')} from {days}, {report.rate:.1%} with {than}"
    if report.every is not None:
        every = "minute" if report.every == 1 else f"{report.every} minutes"
        yield f" hypothetical: an entry at every {every} of its window, whatever its conditions said"
        yield f" those of one session have much in common: each +/- counts {report.sessions} sessions, not trades"
    yield " all figures are from trades after those that the model was trained on"
    if own:
        yield f" and that the bot's own {', '.join(own)} let through: of what it kept out nothing is learned, and where"
        yield " it was trained on these sessions it knew how they ended, which makes every figure too good"
    if report.in_shares:
        were = f"{report.in_shares} of them ended in shares, assigned or exercised"
        yield f" {were}: the shares count at their settlement price, and nothing that came later"
    yield ""
    yield from _kinds(report)
    yield ""
    yield from _folds(report)
    yield ""
    yield from _bands(report)
    yield ""
    yield from _weights(report)
    for name, why in report.left_out:
        yield f" left out: {name}, {why}"
    yield ""
    yield _evaluation(report)


def _kinds(report: Report) -> Iterator[str]:
    rows = [("", "AUC", "+/-", "Brier", "always the share")]
    for each in report.kinds:
        taken = " (taken)" if each.kind == report.kind else ""
        rows.append(
            (each.kind + taken, f"{each.auc:.3f}", f"{each.auc_error:.3f}", f"{each.brier:.4f}", f"{each.base:.4f}")
        )
    yield from aligned(rows, right=frozenset(range(1, 5)))


def _folds(report: Report) -> Iterator[str]:
    rows = [("tried from", "to", "trained on", "tried on", "good", "AUC", "Brier", "always the share")]
    rows += [
        (
            f"{each.first:%Y-%m-%d}",
            f"{each.last:%Y-%m-%d}",
            str(each.trained),
            str(each.tried),
            f"{each.rate:.1%}",
            f"{each.auc:.3f}",
            f"{each.brier:.4f}",
            f"{each.base:.4f}",
        )
        for each in report.folds
    ]
    yield from aligned(rows, right=frozenset(range(2, 8)))


def _bands(report: Report) -> Iterator[str]:
    rows = [("foreseen from", "to", "trades", "foreseen", "happened", "made on average")]
    rows += [
        (
            f"{each.lowest:.3f}",
            f"{each.highest:.3f}",
            str(each.trades),
            f"{each.foreseen:.1%}",
            f"{each.happened:.1%}",
            f"{each.net:+,.2f}",
        )
        for each in report.bands
    ]
    yield from aligned(rows, right=frozenset(range(6)))


def _weights(report: Report) -> Iterator[str]:
    rows = [("feature", "AUC falls by, when shuffled")]
    rows += [(each.name, f"{each.falls:+.4f}") for each in report.weights[:SHOWN_WEIGHTS]]
    yield from aligned(rows, right=frozenset({1}))


def _evaluation(report: Report) -> str:
    if report.taken.is_better_than_chance:
        return " it foresees more than chance would have it, on this data"
    return " NOTHING LEARNED: on trades that it had not seen it is no better than always saying the share of good ones"
