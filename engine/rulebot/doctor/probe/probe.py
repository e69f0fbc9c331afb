"""The front door of the probe: the cases asked here, asked of a simulated gateway, and compared."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from rulebot.doctor.market_checks import Finding, Group, fault, fine, outage, unchecked, warning
from rulebot.doctor.probe.cases import CASES, Case, Outcome, Probe, Tape
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.environments import SimSettings, World, simulated
from rulebot.model.errors import BrokerError
from rulebot.model.facts import EventCalendar
from rulebot.model.text import counted
from rulebot.preview.connection import ReadOnlySession, into_the_day
from rulebot.process.connection_state import first_batch

USUAL = "SPY"
LINES = 10


async def probed(visit: ReadOnlySession, world: World, symbol: str, record: Path) -> AsyncIterator[Finding]:
    """Ask every case, compare, and keep the raw bytes in a file."""
    if not visit.is_in_hours:
        yield unchecked(Group.PROBE, "probe", "the exchange is closed: the cases need quotes")
        return
    probe = Probe(visit, world.ib.broker, Tape(visit.link.account), symbol)
    here: Mapping[str, Outcome] = {}
    try:
        here = await ask_cases(probe)
    except BrokerError as error:
        yield outage(Group.PROBE, "probe", error)
    finally:
        kept = _keep(record, probe.tape)
    yield kept
    reference = await _simulated(symbol) if here else {}
    for case in CASES:
        if case.name in here:
            yield _told(case, here[case.name], reference[case.name], record)
    left = probe.left()
    for words in left:
        yield fault(Group.PROBE, "orders", words, "look at the account in TWS, and cancel or close it by hand")
    if not left:
        yield fine(Group.PROBE, "orders", f"{counted(len(probe.sent), 'order')} sent and taken back, none has filled")


async def ask_cases(probe: Probe) -> Mapping[str, Outcome]:
    """Return what each case came to; whatever happens, what may still work is taken back. Raises: BrokerError."""
    conn, tape = probe.visit.link.wire.client.conn, probe.tape
    conn.hasData += tape
    found: dict[str, Outcome] = {}
    try:
        tape.case = "quotes"
        await probe.find_options()
        for case in CASES:
            tape.case = case.name
            found[case.name] = await case.ask(probe)
    finally:
        tape.case = "end"
        await probe.take_all_back()
        conn.hasData -= tape
        probe.visit.watch(())
    return found


async def _simulated(symbol: str) -> Mapping[str, Outcome]:
    """Return what the simulated gateway answers to the same."""
    async with simulated(SimSettings(), 1) as world:
        first = await first_batch(world.ib.link, "probe")
        visit = ReadOnlySession(world, LoadedBots({}, (), None, ()), EventCalendar(), first, LINES)
        await into_the_day(visit)
        return await ask_cases(Probe(visit, world.ib.broker, Tape(visit.link.account), symbol))


def _told(case: Case, here: Outcome, there: Outcome, record: Path) -> Finding:
    told = f" ({here.told})" if here.told else ""
    if not case.is_compared or here.words == there.words:
        return fine(Group.PROBE, case.name, f"{here.words}{told}")
    text = f"{here.words}{told}; the simulated gateway: {there.words}"
    return warning(Group.PROBE, case.name, text, f"the simulated one is wrong here: send {record} to the authors")


def _keep(record: Path, tape: Tape) -> Finding:
    """Write the bytes; the account's id is blotted out in them."""
    try:
        record.write_text("".join(f"{line}\n" for line in tape.lines()), encoding="utf-8")
    except OSError as error:
        return fault(Group.PROBE, "record", f"{record} cannot be written: {error.strerror}", "name another --record")
    return fine(Group.PROBE, "record", f"{len(tape.frames)} messages are kept in {record}")
