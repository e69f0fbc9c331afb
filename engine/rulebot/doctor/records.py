"""The store: whether an engine has it, and whether everything in it holds that must hold."""

from collections.abc import Iterator

from rulebot.checks.journal.audit import audit_store
from rulebot.core.state import OperatorState, TradingMode
from rulebot.doctor.finding import Finding, Group, fault, fine, outage, unchecked, warning
from rulebot.model.counted import counted
from rulebot.model.errors import StoreError
from rulebot.promotion.promotion import refuse_live_store
from rulebot.record.record import Kind
from rulebot.recovery.operator_state import standing_of
from rulebot.store.open import is_there
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

_BROKEN = "stop trading on it; 'rulebot store audit' shows more, 'rulebot store restore' puts a backup back"


def integrity(store: Place, *, live: bool, audits: bool = True) -> Iterator[Finding]:
    """Yield what is open in a store, and unless it is left out what its audit finds wrong. Nothing is written."""
    try:
        if not is_there(store):
            yield fine(Group.STORE, "store", f"{store} is not there yet: the first run makes it")
            return
        if not live:
            refuse_live_store(store)
        yield from _present(store)
        if audits:
            yield from _audited(store)
        else:
            yield unchecked(Group.STORE, "audit", "left out: 'rulebot store audit' reads all of it")
    except StoreError as error:
        yield outage(Group.STORE, "store", error)


def _present(store: Place) -> Iterator[Finding]:
    with StoreReader(store) as reader:
        run, asked = reader.run(), reader.records((Kind.OPERATOR,))
        held, working = len(reader.view("open_positions")), len(reader.view("pending_orders"))
    if run.is_alive:
        yield fine(Group.STORE, "engine", f"an engine runs on {store}")
    elif run.started is not None and run.ended is None:
        text = "the last engine ended without a word: it was killed, or the machine went down"
        mend = "the next start goes on from there; 'rulebot status' shows what is open"
        yield warning(Group.STORE, "engine", text, mend)
    else:
        yield fine(Group.STORE, "engine", "none runs, and the last one ended as it should")
    text = f"{counted(held, 'position')} open and {counted(working, 'order')} at work, by {store}"
    yield fine(Group.STORE, "open", text)
    yield _standing(standing_of(asked))


def _standing(standing: OperatorState) -> Finding:
    mend = "'rulebot resume' lets bots enter again"
    if standing.trading is not TradingMode.ACTIVE:
        why = standing.reason or "a person has killed trading"
        return warning(Group.STORE, "trading", f"{why}: nothing is entered, also after a start", mend)
    if standing.paused:
        named = sorted(standing.paused)
        done = "paused all bots" if "" in named else f"paused or killed {', '.join(named)}"
        who = "it enters" if named[0] and len(named) == 1 else "they enter"
        return warning(Group.STORE, "trading", f"a person has {done}: {who} nothing, also after a start", mend)
    return fine(Group.STORE, "trading", "nobody has paused or killed it")


def _audited(store: Place) -> Iterator[Finding]:
    verdicts = audit_store(store)
    for each in (each for each in verdicts if each.unjudged):
        yield unchecked(Group.STORE, f"invariant {each.number}", f"not judged ({each.says}): {each.unjudged}")
    broken = [each for each in verdicts if not each.holds]
    for each in broken:
        first = each.first[0].text if each.first else ""
        text = f"invariant {each.number} does not hold ({each.says}), {counted(each.count, 'time')}; first: {first}"
        yield fault(Group.STORE, "audit", text, _BROKEN)
    if not broken:
        judged = sum(each.is_judged for each in verdicts)
        held = f"all {judged}" if judged == len(verdicts) else f"all {judged} that were judged of {len(verdicts)}"
        yield fine(Group.STORE, "audit", f"the hash chain is whole, {held} invariants hold")


def not_kept() -> Finding:
    """Say that a simulated day has a new store each time."""
    return unchecked(Group.STORE, "store", "each simulated day makes a store of its own")
