"""Output of `rulebot replay`: the replay's result, differences from the specs, and the list of recordings."""

import shlex
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rulebot.model.money import signed_dollars
from rulebot.model.session import exchange_date
from rulebot.model.text import clock, short_clock
from rulebot.store.place import shown_path

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from rulebot.adapters.recorded.recording import Recording
    from rulebot.replay.drift import AtNatural, DayComparison, SpecDrift
    from rulebot.replay.recordings import RecordingFile
    from rulebot.replay.replay import Difference, Replayed

BYTES = 1 << 20


def replay_document(recording: "Recording", found: "Replayed", seconds: float) -> dict[str, Any]:
    from rulebot.process.processes import code_digest, release

    differs = found.difference
    return {
        "file": shown_path(recording.files[-1]),
        "day": recording.day.isoformat(),
        "until": found.at.isoformat(),
        "turns": found.turns,
        "decisions": found.decisions,
        "seconds": round(seconds, 2),
        "recorded_by": recording.head["version"],
        "replayed_by": release(),
        "same_code": recording.head.get("code") == code_digest(),
        "difference": None
        if differs is None
        else {"at": differs.at.isoformat(), "then": list(differs.then), "now": list(differs.now)},
    }


def replay_lines(reported: dict[str, Any], differs: "Difference | None", *, short: bool) -> Iterator[str]:

    counts = f"{reported['decisions']} records of {reported['turns']} turns"
    until = clock(datetime.fromisoformat(reported["until"]))
    if differs is None:
        yield f" {reported['file']}: the same, {counts} until {until}, in {reported['seconds']:.1f} s"
        return
    day = exchange_date(differs.at)
    when = clock(differs.at) if day.isoformat() == reported["day"] else f"{day} {clock(differs.at)}"
    yield f" {reported['file']}: DIFFERENT at {when}, after {counts}"
    if reported["same_code"]:
        yield "   recorded by this very rulebot, so that this is a fault of it: the file shows it"
    else:
        versions = f"{reported['recorded_by']}; this is {reported['replayed_by']}"
        yield f"   recorded by another rulebot ({versions}): CHANGELOG.md has what is"
        yield "   decided otherwise on purpose; what follows answers to orders that are others now, and is not compared"
    yield from (f"   {words}" for words in _values_of(differs))
    if not short:
        yield from _lines_of("then", differs.then, differs.now)
        yield from _lines_of("now", differs.now, differs.then)


def _values_of(differs: "Difference") -> Iterator[str]:
    """Say which values of the same order, position or day are others now, where as much was recorded of both."""
    from rulebot.record.codec import CodecError, record_of

    if len(differs.then) != len(differs.now):
        return
    for pair in zip(differs.then, differs.now, strict=True):
        try:
            then, now = map(record_of, pair)
        except CodecError:
            continue
        if (then.kind, then.bot, then.position) != (now.kind, now.bot, now.position):
            continue
        whose = f"{then.bot} {then.data.get('purpose') or then.kind.value.replace('_', ' ')}".strip()
        for name, value in now.data.items():
            before = then.data.get(name)
            if before != value and not isinstance(value, list | dict):
                yield f"{whose}: {name} was {before}, is {value}"


def _lines_of(name: str, these: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    reported = [line for line in these if line not in others]
    if not these:
        known = "nothing"
    else:
        known = "all but that" if set(others) - set(these) else "the same, in another order"
    yield f"   {name}: {reported[0] if reported else known}"
    yield from (f"         {line}" for line in reported[1:])


def compared_document(found: "DayComparison") -> dict[str, Any]:
    """Return a day beside what its specs do."""
    return {
        "day": found.day.isoformat(),
        "since": None if found.since is None else found.since.isoformat(),
        "until": None if found.until is None else found.until.isoformat(),
        "decides_otherwise": found.is_other,
        "trades": [_drift_document(each) for each in found.trades],
    }


def _drift_document(each: "SpecDrift") -> dict[str, Any]:
    return {
        "bot": each.bot,
        "position": each.position,
        "what": each.what.name.lower(),
        "at": each.at.isoformat(),
        "done": each.done,
        "would": each.would,
        "made": None if each.made is None else str(each.made),
        "would_make": None if each.would_make is None else str(each.would_make),
        "natural": None if each.natural is None else _natural_document(each.natural),
        "causes": list(each.causes),
        "differs": each.differs,
        "is_explained": each.is_explained,
        "is_known": each.is_known,
    }


def _natural_document(each: "AtNatural") -> dict[str, Any]:
    return {
        "would": each.would,
        "would_make": None if each.would_make is None else str(each.would_make),
        "differs": each.differs,
        "is_known": each.is_known,
        "causes": list(each.causes),
    }


def tape_document(tape: "RecordingFile") -> dict[str, Any]:
    return {
        "file": shown_path(tape.file),
        "day": tape.day.isoformat(),
        "first": None if tape.first is None else tape.first.isoformat(),
        "last": None if tape.last is None else tape.last.isoformat(),
        "entries": tape.entries,
        "bytes": tape.size,
        "bots": list(tape.bots),
        "problem": tape.problem,
    }


def tape_line(tape: "RecordingFile") -> str:

    size = f"{tape.size / BYTES:.1f} MB"
    if tape.first is None or tape.last is None:
        return f" {tape.day}  {named_problem(tape.file, tape.problem)}"
    span = f"{short_clock(tape.first)} to {short_clock(tape.last)}"
    bots = ", ".join(tape.bots) or ("continues from the day before" if tape.goes_on else "no bot: exits only")
    return f" {tape.day}  {span}  {tape.entries:>9,} quotes  {size:>9}  {bots}  {shown_path(tape.file)}"


def there_ran(bots: Collection[str]) -> str:
    """Return which bots ran on a day; an engine that watches exits only has none."""
    return f"there ran {', '.join(bots)}" if bots else "exits alone were watched"


def next_line(written: "Sequence[tuple[Path, int, int]]") -> str:
    """Return what to do with exported chains: with that of most options, which was traded rather than read."""
    file, _, _ = max(written, key=lambda each: each[2])
    return f" next: rulebot backtest SPEC --data {shlex.quote(f'parquet:{shown_path(file.parent)}')}"


def named_problem(file: "Path", problem: str) -> str:
    """Return what is wrong with a file, which it names once."""
    return problem if shown_path(file) in problem else f"{shown_path(file)}: {problem}"


def drift_lines(compared: "DayComparison") -> Iterator[str]:
    """Yield each trade: what was done, what the spec would have done, and what was recorded where they part."""
    from rulebot.replay.drift import by_fills, total

    day, found = compared.day, compared.trades
    if compared.since is not None:
        yield f" the recording begins at {clock(compared.since)}: the state before is not in it"
    if compared.until is not None and compared.is_other:
        yield f" this engine decides otherwise from {clock(compared.until)} on: what came after it is not compared"
        yield f" 'rulebot replay {compared.day}' shows how"
    elif compared.until is not None:
        yield f" the recording ends at {clock(compared.until)}: what came after it is not in it"
    if not found:
        yield f" {day}: nothing was traded, and nothing would have been"
        return
    for each in found:
        yield f" {each.bot}  {each.what.value}"
        yield from _trade_lines(each)
    fills = ""
    if any(each.natural is not None for each in found):
        fills = f"; their fills made {signed_dollars(by_fills(found))} beside natural ones"
    if lacks := dict.fromkeys(each.bot for each in found if not each.is_whole):
        fills += f", without what is not recorded of {', '.join(lacks)}"
    yield f" {day}: {signed_dollars(total(found))} beside what the specs make{fills}"


def _trade_lines(each: "SpecDrift") -> Iterator[str]:
    from rulebot.replay.drift import DriftKind

    is_same = each.what in (DriftKind.SAME, DriftKind.UNFILLED) or each.done == each.would
    yield f"   done     {each.done}{_made(each.made)}"
    if not is_same:
        yield f"   would    {each.would}{_made(each.would_make)}"
    yield from (f"            {cause}" for cause in each.causes)
    if not each.is_explained:
        yield "            nothing that was recorded explains it"
    beside = each.natural
    is_other = beside is not None and (beside.would, beside.would_make) != (each.would, each.would_make)
    if beside is not None and (is_other or not beside.is_known):
        yield f"   natural  {beside.would}{_made(beside.would_make)}"
        yield from (f"            {cause}" for cause in beside.causes)


def _made(amount: "Decimal | None") -> str:
    return "" if amount is None else f"  {signed_dollars(amount)}"
