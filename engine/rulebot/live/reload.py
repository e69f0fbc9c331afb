"""`rulebot reload` in the engine: reads the run's files again and applies them at a quiet point.

A request makes a plan of the changes, or is refused without any change. The plan waits until none of its bots has an
order in flight or a position between two states; what it waits for is recorded. Facts for new bots are requested
meanwhile, concurrently (in lockstep at once). If the broker does not have them, the plan is refused. Until it is
applied, its bots enter nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, replace
from datetime import date, datetime, timedelta

from rulebot.backtest.load_session_data import prepare
from rulebot.core.handle_event import reload
from rulebot.core.program import Program
from rulebot.core.session.reloading import (
    BotChange,
    Change,
    changes_between,
    have_other_limits,
    not_quiet,
    reported_changes,
)
from rulebot.documents.load_bots import (
    LoadedBots,
    SpecText,
    check_live_data,
    check_overrides,
    desk_as_json,
    left_out_words,
    limit_words,
    limits_as_json,
    refuse_flagged,
    reread,
    specs_as_json,
    with_values,
)
from rulebot.live.loop import Loop
from rulebot.model.errors import BrokerError, RulebotError, SpecError, UnavailableError
from rulebot.model.event import Event, OperatorRequest, ReloadPending, Request, WebhookReceived
from rulebot.model.facts import Facts
from rulebot.model.values import dataclass
from rulebot.operator_requests.requests import Asked
from rulebot.promotion.promotion import read_live_store, unpromoted
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.nouns import AccountDocument
from rulebot.store.place import Place

# --- What only a new start can do to an account that is traded, or bots that lack a promotion


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run with real money, or with an account that a simulated gateway plays as such."""

    store: Place
    simulated: bool


def refuse_account(
    desk: LoadedBots,
    account: str,
    today: date,
    *,
    running: Mapping[str, str],
    had_limits: bool,
    any_account: bool,
    live: LiveRun | None = None,
) -> None:
    """Refuse what only a new start can do to the account, and bots that real money is not for. Raises: SpecError.

    running: the digests of what runs already. any_account: of a simulated market, or of a run that observes: the
    document need not be for it.
    """
    if live is not None:
        fresh = {bot: digest for bot, digest in desk.digests.items() if running.get(bot) != digest}
        _refuse_unpromoted(desk.account, fresh, account, today, live)
        return
    if desk.account is None:
        if had_limits:
            raise SpecError(
                "the account document is gone, and its limits would be off",
                "put it back; to run without limits over all bots, stop and start",
            )
        return
    if not any_account and desk.account.account and desk.account.account != account:
        raise SpecError(
            f"the account document is for {desk.account.account}, and {account} is traded", "stop and start for that"
        )


def _refuse_unpromoted(
    document: AccountDocument | None, fresh: Mapping[str, str], account: str, today: date, live: LiveRun
) -> None:
    rules = None if document is None else document.live
    if rules is None or rules.account != account:
        named = "names no live account" if rules is None else f"has live account {rules.account}"
        raise SpecError(f"the account document {named}, and {account} is traded", "stop and start for that")
    promoted = read_live_store(live.store, account, simulated=live.simulated, verifies=False)
    if lacks := unpromoted(fresh, rules, promoted, today, simulated=live.simulated):
        raise SpecError(
            "; ".join(lacks), "stop the engine, promote, and start it again: a promotion is written into its store"
        )


# --- `rulebot reload` in the engine

ASK_AGAIN = timedelta(minutes=1)
"""How long after the broker could not answer it is asked again."""
WAITS_LONG = timedelta(minutes=5)
"""How long a plan may wait after its request before a person is informed."""
_ANSWERS = "the broker's answers on what the new specs read"


@mutable_dataclass(slots=True)
class Plan:
    """What is to be taken up. is_set: also since an operator has set parameters.

    asked_at: when it was asked for; is_told: that it waits for long.
    asking: the question for the facts that it needs; facts: the answer, None until it is here, good for the `session`
    in which it was asked.
    """

    desk: LoadedBots
    program: Program
    changes: tuple[BotChange, ...]
    limits: tuple[str, ...]
    asked_at: datetime
    is_set: bool = False
    is_reported: bool = False
    waits: str = ""
    asking: "asyncio.Task[list[Event]] | None" = None
    ask_at: datetime | None = None
    facts: list[Event] | None = None
    session: date | None = None

    @property
    def bots(self) -> frozenset[str]:
        """The bots that must be at rest, and enter nothing meanwhile: all, "", when the limits over them change."""
        return frozenset(("",)) if self.limits else frozenset(each.bot for each in self.changes)


@mutable_dataclass(slots=True)
class Reloader:
    """Between the inbox and the loop: takes reload requests, and acts between two batches.

    desk: the running bots. any_account: as in `refuse_account`. live: of a run with real money; its bots must be
    promoted. texts: by digest, all that have run or governed positions.
    """

    desk: LoadedBots
    loop: Loop
    inbox: Callable[[datetime], Sequence[Asked]]
    account: str = ""
    any_account: bool = False
    live: LiveRun | None = None
    plan: Plan | None = None
    texts: dict[str, SpecText] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.texts |= {text.digest: text for text in self.desk.texts}

    def read(self, at: datetime) -> Sequence[Asked]:
        """Return what else was asked for; a reload is planned here."""
        found: list[Asked] = []
        for request in self.inbox(at):
            if isinstance(request, WebhookReceived) or request.request not in (Request.RELOAD, Request.SET):
                found.append(request)
            elif request.id not in self._seen:
                self._seen.add(request.id)
                self._ask(request)
        return found

    async def step(self, at: datetime) -> None:
        """Take up what is planned, if now is a quiet point; else let its bots enter nothing. Raises: StoreError."""
        if self.plan is not None and not self.loop.state.requests.is_stopping:
            await self._try(self.plan, at)
        waiting = frozenset() if self.plan is None else self.plan.bots
        if waiting != self.loop.state.requests.reloading:
            self.loop.receive(ReloadPending(at, waiting))

    async def _try(self, plan: Plan, at: datetime) -> None:
        try:
            waits = not_quiet(self.loop.program, self.loop.state, self._concerned(plan)) or await self._missing(
                plan, at
            )
        except UnavailableError as error:
            self._refuse(plan, at, error)
            return
        if not waits:
            self._take_up(plan, at)
            return
        if waits != plan.waits:
            plan.waits = waits
            self._note(at, "waits", reason=waits)
        if not plan.is_reported and at - plan.asked_at >= WAITS_LONG:
            plan.is_reported = True
            text = f"a reload has waited five minutes for {waits}: what it touches enters nothing until it is taken up"
            self.loop.note(Record(at, Kind.ALARM, data={"text": text}))

    def _refuse(self, plan: Plan, at: datetime, error: UnavailableError) -> None:
        """Give a plan up for what the broker does not have: asked again it would say the same."""
        self.plan = None
        reason = f"{', '.join(_readers(plan, error.symbol))} cannot run: {error.whole}"
        self._note(at, "refused", reason=reason)
        text = f"a reload is refused, and nothing of it is taken up: {reason}"
        self.loop.note(Record(at, Kind.ALARM, data={"text": text}))

    def close(self) -> None:
        """Give up what is still asked for."""
        self._drop()

    # ------------------------------------------------------------ asking

    def _ask(self, request: OperatorRequest) -> None:
        try:
            plan = self._planned(request)
        except RulebotError as error:
            self._note(request.at, "refused", id=request.id, reason=error.message, **_set(request))
            if self.plan is not None:
                self.plan.waits = ""  # reported again: it keeps waiting
            return
        self._drop()
        if not plan.changes and not plan.limits:
            self.desk = replace(self.desk, kept=plan.desk.kept, left_out=plan.desk.left_out)
            self._note(request.at, "nothing", id=request.id, **_set(request), **_kept(plan))
            return
        self.plan = plan
        changes: Json = reported_changes(plan.changes)
        limits: Json = list(plan.limits)
        self._note(request.at, "asked", id=request.id, changes=changes, limit_changes=limits, **_set(request))

    def _planned(self, request: OperatorRequest) -> Plan:
        """Return what the files, and what an operator sets, would change, if anything. Raises: RulebotError."""
        if self.desk.sources is None:
            raise BrokerError("this engine runs no specs: it only closes")
        refuse_flagged(self.desk.sources.overrides, request.bot, request.values)
        waiting = self.plan if self.plan is not None and self.plan.is_set else None
        before = (waiting or self).desk
        kept = with_values(before.kept, request.bot, request.values)
        desk = reread(self.desk.sources, kept)
        if request.request is Request.SET:
            known = before.left_out.keys() - {f"{request.bot}.{name}" for name, _ in request.values}
            if lost := left_out_words(desk, known):
                raise SpecError("; ".join(lost))
        check_overrides(desk, {f"{request.bot}.{name}": text for name, text in request.values if text})
        if self.live is not None:
            check_live_data(desk)
        refuse_account(
            desk,
            self.account,
            self.loop.state.schedule.session.date,
            running=self.desk.digests,
            had_limits=self.desk.account is not None,
            any_account=self.any_account,
            live=self.live,
        )
        changes = changes_between(self.desk.digests, desk.digests)
        limits = limit_words(limits_as_json(self.desk), limits_as_json(desk))
        program = desk.succeeding(self.loop.program, {each.bot for each in changes})
        is_set = request.request is Request.SET or waiting is not None
        return Plan(replace(desk, bots=program.bots), program, changes, limits, request.at, is_set)

    def _concerned(self, plan: Plan) -> Iterable[str]:
        return self.loop.state.bots.by_name if "" in plan.bots else plan.bots

    # ------------------------------------------------------------ what new bots need to know

    async def _missing(self, plan: Plan, at: datetime) -> str:
        """Return what is not known yet of what the new texts read, "" when all is. Raises: UnavailableError."""
        today = self.loop.state.schedule.session.date
        if plan.facts is not None and plan.session == today:
            return ""
        if plan.asking is None and (plan.ask_at is None or at >= plan.ask_at):
            plan.asking = asyncio.ensure_future(self._facts(plan, at))
            plan.facts, plan.session = None, today
        if plan.asking is not None and self.loop.link.is_lockstep:
            await asyncio.wait((plan.asking,))
        if plan.asking is None or not plan.asking.done():
            return plan.waits or _ANSWERS
        asked, plan.asking = plan.asking, None
        try:
            plan.facts = asked.result()
        except UnavailableError:
            raise
        except BrokerError as error:
            plan.ask_at = at + ASK_AGAIN
            return f"the broker's answers: {error.message}"
        return "" if plan.session == today else _ANSWERS

    async def _facts(self, plan: Plan, at: datetime) -> list[Event]:
        state = self.loop.state
        asking = replace(plan.program, bots={name: plan.program.bots[name] for name in _renewed(plan)})
        known: Facts = state.market.facts
        return [event async for event in prepare(asking, self.loop.feed, state.schedule.session, at, known)]

    # ------------------------------------------------------------ the change

    def _take_up(self, plan: Plan, at: datetime) -> None:
        self.plan = None
        is_other = have_other_limits(self.loop.program, plan.program)
        result = reload(plan.program, self.loop.state, at, plan.changes, has_other_limits=is_other)
        applied = self._record(
            at,
            "applied",
            changes=reported_changes(plan.changes),
            limit_changes=list(plan.limits),
            specs=specs_as_json(plan.desk),
            limits=limits_as_json(plan.desk),
            **_kept(plan),
        )
        lost = left_out_words(plan.desk, self.desk.left_out)
        facts = [replace(event, at=at) for event in plan.facts or ()]
        self.loop.exchange(plan.program, result, facts, applied, desk_as_json(plan.desk))
        self.desk = plan.desk
        self.texts |= {text.digest: text for text in plan.desk.texts}
        for words in lost:
            self.loop.note(Record(at, Kind.ALARM, data={"text": f"a value is ignored since the reload: {words}"}))

    def _drop(self) -> None:
        asking = None if self.plan is None else self.plan.asking
        self.plan = None
        if asking is None:
            return
        if not asking.done():
            asking.cancel()
        elif not asking.cancelled():
            asking.exception()  # retrieved, so that asyncio does not warn

    def _note(self, at: datetime, what: str, **data: Json) -> None:
        self.loop.note(self._record(at, what, **data))

    @staticmethod
    def _record(at: datetime, what: str, **data: Json) -> Record:
        return Record(at, Kind.RELOAD, data={"what": what, **data})


def _renewed(plan: Plan) -> list[str]:
    return [each.bot for each in plan.changes if each.change is not Change.REMOVED]


def _readers(plan: Plan, symbol: str) -> list[str]:
    """Return which bots of a plan read a symbol."""
    needs = {name: plan.program.bots[name].plan.needs for name in _renewed(plan)}
    return [name for name, found in needs.items() if symbol in (*found.symbols, *found.indices)]


def _kept(plan: Plan) -> dict[str, Json]:
    """Return what operators have set from now on, as a record keeps it, nothing when no operator sets anything."""
    return {"kept": dict(plan.desk.kept)} if plan.is_set else {}


def _set(request: OperatorRequest) -> dict[str, Json]:
    """Return what an operator sets, or has changed in a file, as a record keeps it."""
    if request.edits:
        return {"edited": {"bot": request.bot, "numbers": dict(request.edits), "by": request.by}}
    return {"bot": request.bot, "values": dict(request.values)} if request.request is Request.SET else {}
