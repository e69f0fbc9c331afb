"""Which kinds of faults there are: what triggers each, which class acts and when, and its parameters."""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import Any

from twsim.nouns import dataclass

ORDER, FILL, CANCEL, CONNECT = "order", "fill", "cancel", "connect"
EVENTS = (ORDER, FILL, CANCEL, CONNECT)
AT = "at"
STANDING = "standing"
"""A fault that needs no trigger: without `at` it holds from the start."""
NEVER_ENDS = 0.0
LINK = (AT, *EVENTS)
SOON = (AT, ORDER, FILL)


@dataclass(frozen=True, slots=True)
class FaultParameter:
    """One parameter of a kind. A number unless it has choices or its default is a text or a flag.

    apart: its values that are counted as kinds of their own, since another behaviour is required of each.
    """

    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = 0.0
    apart: tuple[str, ...] = ()


class Phase(Enum):
    """At what point of an event a fault acts. Of an order they follow each other in this order."""

    KEEP = "the broker never hears of it"
    DELAY = "the broker hears of it later"
    BEGIN = "the fault begins"
    CHANGE = "changes of the order will be answered otherwise"
    ANSWER = "the client gets an additional message"
    TAKE = "the broker takes it as something else"
    HINDER = "it fills otherwise"
    GREET = "the client has its greeting"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: its trigger, its action and its parameters.

    acts: "Class.method" of the action when the fault begins, or one for each phase of the event. noted_first: it is
    noted before it acts; others are noted by that class, once they have changed something. of_position: it changes a
    held position.
    """

    triggers: tuple[str, ...]
    acts: str | Mapping[Phase, str]
    params: Mapping[str, FaultParameter] = field(default_factory=dict)
    noted_first: bool = False
    needs_broker: bool = False
    of_position: bool = False

    @property
    def hooks(self) -> Mapping[Phase, str]:
        """What acts, by phase."""
        return {Phase.BEGIN: self.acts} if isinstance(self.acts, str) else self.acts


def _one_of(*choices: str) -> FaultParameter:
    """Return a parameter with these choices, the first by default, each a separate kind."""
    return FaultParameter(choices[0], choices, apart=choices)


def _for(seconds: float) -> FaultParameter:
    return FaultParameter(seconds, least=1.0)


def fault_label(kind: str, values: Mapping[str, Any]) -> str:
    """Return the name under which a fault is counted: its kind, and the value that makes it a separate one."""
    for name, param in KINDS[kind].params.items():
        value = values.get(name, param.default)
        word = name if value is True else f"{value:g}" if isinstance(value, int | float) else str(value)
        if value is not False and word in param.apart:
            return f"{kind} {word}"
    return kind


def fault_labels(kind: str) -> tuple[str, ...]:
    """Return every name under which faults of a kind may be counted."""
    found = [f"{kind} {word}" for param in KINDS[kind].params.values() for word in param.apart]
    return tuple(found) or (kind,)


_SYMBOL = FaultParameter("all")
_LISTS = ("orders", "positions", "executions", "completed")
_QUOTES = {"seconds": _for(30.0), "symbol": _SYMBOL, "of": FaultParameter("options", ("options", "underlying", "all"))}


def _by_others(method: str, *, of_position: bool = False, **params: FaultParameter) -> FaultKind:
    """Return a kind by which another party acts in the account, some seconds after its trigger."""
    params = {"seconds": FaultParameter(5.0), **params}
    acts = f"ExternalActionFaults.{method}"
    return FaultKind(SOON, acts, params, needs_broker=True, of_position=of_position)


KINDS: dict[str, FaultKind] = {
    "cut": FaultKind(
        LINK,
        "LinkFaults.cut",
        {"mid_frame": FaultParameter(False, apart=("mid_frame",)), "how": _one_of("reset", "fin")},
    ),
    "silence": FaultKind(LINK, "LinkFaults.silence", {"real_seconds": FaultParameter(NEVER_ENDS)}),
    "lost_connectivity": FaultKind(
        SOON,
        "Faults.lose_link",
        {
            "seconds": _for(30.0),
            "restored": FaultParameter("1102", ("1101", "1102"), apart=("1101", "1102")),
            "executions": FaultParameter("after", ("after", "asked")),
        },
        noted_first=True,
    ),
    "swallow_order": FaultKind((ORDER,), {Phase.KEEP: "IntakeFaults.swallow"}, noted_first=True),
    "late_order": FaultKind((ORDER,), {Phase.DELAY: "Faults.delay_order"}, {"seconds": _for(60.0)}, noted_first=True),
    "pacing": FaultKind((ORDER,), {Phase.KEEP: "IntakeFaults.pace"}, noted_first=True),
    "lose_ack": FaultKind((ORDER,), "ReportFaults.mark", noted_first=True),
    "inactive": FaultKind((ORDER,), "ReportFaults.show_inactive", {"seconds": _for(30.0)}, noted_first=True),
    "preset": FaultKind(
        (ORDER,),
        {Phase.TAKE: "IntakeFaults.preset"},
        {"what": _one_of("price", "quantity", "tif"), "price_by": FaultParameter(0.1, least=0.01)},
    ),
    "legs_rewritten": FaultKind(
        (ORDER,),
        {Phase.CHANGE: "ChangeFaults.fix", Phase.TAKE: "IntakeFaults.rewrite_legs"},
        {"changes": _one_of("reported", "refused")},
    ),
    "change_doubled": FaultKind(
        (ORDER,),
        {Phase.CHANGE: "ChangeFaults.double"},
        {"reported": _one_of("listed", "at_once"), "cancels": FaultParameter("second", ("second", "first"))},
        needs_broker=True,
    ),
    "worse_fill": FaultKind(
        (ORDER,), {Phase.HINDER: "IntakeFaults.slip"}, {"price_by": FaultParameter(0.05, least=0.01)}, needs_broker=True
    ),
    "overfill": FaultKind((FILL,), "Faults.overfill", {"seconds": FaultParameter(1.0)}, needs_broker=True),
    "one_leg": FaultKind(
        (ORDER,),
        {Phase.HINDER: "IntakeFaults.fill_one_leg"},
        {"leg": FaultParameter(1.0, least=1.0)},
        needs_broker=True,
    ),
    "expires": FaultKind((ORDER, FILL), "Faults.expire", {"seconds": FaultParameter(20.0)}, needs_broker=True),
    "duplicate": FaultKind(
        (ORDER, FILL),
        "ReportFaults.mark",
        {
            "what": FaultParameter(
                "all", ("all", "status", "execution", "commission"), apart=("status", "execution", "commission")
            )
        },
        noted_first=True,
    ),
    "execution_first": FaultKind((ORDER,), "ReportFaults.hold_back", {"seconds": _for(10.0)}, noted_first=True),
    "lost_execution": FaultKind((FILL,), "ExecutionFaults.lose", {"status": _one_of("reported", "lost")}),
    "late_leg": FaultKind((FILL,), "ExecutionFaults.mark", {"seconds": _for(20.0)}),
    "no_summary": FaultKind((FILL,), "ExecutionFaults.mark"),
    "late_summary": FaultKind((FILL,), "ExecutionFaults.mark", {"seconds": _for(20.0)}),
    "swallow_cancel": FaultKind((CANCEL,), {Phase.KEEP: "CancelFaults.swallow"}),
    "refuse_cancel": FaultKind(
        (CANCEL,), {Phase.KEEP: "CancelFaults.refuse"}, {"code": FaultParameter(10148.0), "text": FaultParameter("")}
    ),
    "pending_cancel": FaultKind((CANCEL,), {Phase.KEEP: "CancelFaults.put_off"}, {"seconds": FaultParameter(45.0)}),
    "late_fill": FaultKind((CANCEL,), "Faults.fill_late", {"seconds": FaultParameter(5.0)}, needs_broker=True),
    "correction": FaultKind(
        (FILL,),
        "Faults.correct",
        {
            "seconds": FaultParameter(30.0),
            "price_by": FaultParameter(0.0, least=None),
            "quantity_by": FaultParameter(0.0, least=None),
        },
        needs_broker=True,
    ),
    "late_commission": FaultKind((ORDER, FILL), "ReportFaults.mark", {"seconds": _for(30.0)}, noted_first=True),
    "unset_commission": FaultKind((FILL,), "ExecutionFaults.mark", {"seconds": _for(30.0)}),
    "no_commission": FaultKind((ORDER, FILL), "ReportFaults.mark", noted_first=True),
    "roll_back_ids": FaultKind(
        (CONNECT,), {Phase.GREET: "Faults.roll_back_ids"}, {"to": FaultParameter(1.0, least=1.0)}, noted_first=True
    ),
    "id_in_use": FaultKind(
        (CONNECT,), {Phase.KEEP: "Faults.say_id_in_use"}, {"attempts": FaultParameter(1.0, least=1.0)}, noted_first=True
    ),
    "reject": FaultKind(
        (ORDER,),
        {Phase.KEEP: "IntakeFaults.reject"},
        {
            "code": FaultParameter(201.0, apart=("103", "110", "200", "201", "321", "460")),
            "text": FaultParameter("Order rejected - reason:The order was refused by a fault plan"),
            "status": FaultParameter("Inactive", ("Inactive", "Cancelled", "none")),
        },
        noted_first=True,
    ),
    "warning": FaultKind(
        (ORDER,),
        {Phase.CHANGE: "ChangeFaults.answer", Phase.ANSWER: "Faults.warn"},
        {
            "code": FaultParameter(399.0, apart=("202", "399", "2109", "10148", "10349")),
            "text": FaultParameter("Order Message:\nWarning: nothing has changed"),
            "of": FaultParameter("order", ("order", "change")),
            "made": FaultParameter(True),
        },
    ),
    "farm_down": FaultKind(
        LINK,
        "QuoteFaults.farm_down",
        {"seconds": _for(30.0), "farm": FaultParameter("usopt"), "lines": FaultParameter("resume", ("resume", "die"))},
        noted_first=True,
    ),
    "dead_line": FaultKind(
        SOON,
        "QuoteFaults.die",
        {"symbol": _SYMBOL, "of": FaultParameter("underlying", ("underlying", "options", "all"))},
    ),
    "competing_session": FaultKind(
        LINK, "QuoteFaults.compete", {"seconds": FaultParameter(NEVER_ENDS)}, noted_first=True
    ),
    "restart": FaultKind(LINK, "StartFaults.restart", {"seconds": _for(30.0)}, noted_first=True),
    "hang_up": FaultKind(
        (CONNECT,), {Phase.GREET: "Faults.mark_hang_up"}, {"attempts": FaultParameter(1.0, least=1.0)}
    ),
    "wrong_account": FaultKind(
        (CONNECT,),
        {Phase.GREET: "StartFaults.mark"},
        {"accounts": _one_of("live", "several", "none"), "attempts": FaultParameter(1.0, least=1.0)},
    ),
    "incomplete": FaultKind(
        (CONNECT,),
        {Phase.GREET: "StartFaults.mark"},
        {"what": _one_of(*_LISTS, "account"), "then": FaultParameter("silence", ("silence", "cut"))},
    ),
    "short_list": FaultKind(
        (CONNECT,), {Phase.GREET: "StartFaults.mark"}, {"what": _one_of(*_LISTS), "seconds": FaultParameter(20.0)}
    ),
    "account_not_ready": FaultKind(
        (AT, ORDER, CONNECT), "AccountFaults.begin", {"seconds": _for(60.0)}, noted_first=True
    ),
    "read_only": FaultKind((AT, ORDER, CONNECT), "Faults.go_read_only", {"seconds": _for(60.0)}, noted_first=True),
    "time_passes": FaultKind(SOON, "Faults.stop_answering", {"seconds": _for(300.0)}, noted_first=True),
    "person_closes": _by_others("close_all", of_position=True),
    "person_closes_part": _by_others("close_one", of_position=True),
    "person_halves": _by_others("halve", of_position=True),
    "person_closes_leg": _by_others("close_leg", of_position=True),
    "person_adds": _by_others("add_one", of_position=True),
    "person_sells_shares": _by_others("sell_shares", part=FaultParameter(1.0)),
    "person_cancels": _by_others("cancel"),
    "person_cancels_all": _by_others("cancel_all"),
    "person_changes": _by_others("change", price_by=FaultParameter(0.1, least=None)),
    "strange_order": _by_others("place"),
    "liquidation": _by_others("liquidate", of_position=True),
    "assignment": _by_others("assign", of_position=True),
    "no_quote": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "zero_size": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "zero_bid": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "crossed": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "wide_spread": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "spike": FaultKind(SOON, "ViewFaults.distort", _QUOTES),
    "one_stale": FaultKind(SOON, "ViewFaults.make_stale", {"seconds": _for(60.0)}),
    "frozen": FaultKind(SOON, "ViewFaults.freeze", {"seconds": _for(60.0)}),
    "halt": FaultKind(SOON, "ViewFaults.halt", {"seconds": _for(300.0), "symbol": _SYMBOL}),
    "short_day": FaultKind((AT, STANDING), "ViewFaults.shorten", {"close": _one_of("13:00", "closed")}),
    "bad_greeks": FaultKind(
        SOON,
        "ViewFaults.distort",
        {"seconds": _for(30.0), "symbol": _SYMBOL, "what": _one_of("missing", "zero_iv", "wrong_sign")},
    ),
    "line_limit": FaultKind((AT, CONNECT), "ViewFaults.limit_lines", {"seconds": _for(60.0)}),
    "chain_hole": FaultKind(
        (AT, CONNECT, STANDING),
        "ViewFaults.make_hole",
        {"seconds": FaultParameter(NEVER_ENDS), "symbol": _SYMBOL, "share": FaultParameter(0.3)},
    ),
    "adjusted": FaultKind(
        (AT, CONNECT, STANDING), "ViewFaults.adjust", {"seconds": FaultParameter(NEVER_ENDS), "symbol": _SYMBOL}
    ),
    "not_subscribed": FaultKind(
        (AT, STANDING),
        "QuoteFaults.stand",
        {"symbol": _SYMBOL, "code": FaultParameter("354", ("354", "10089"), apart=("354", "10089"))},
    ),
    "delayed_data": FaultKind((AT, STANDING), "QuoteFaults.stand", {"symbol": _SYMBOL}),
    "time_zone": FaultKind(
        (AT, STANDING),
        "Faults.report_zone",
        {
            "name": FaultParameter("British Summer Time"),
            "place": FaultParameter(""),
            "of": FaultParameter("all", ("all", "executions", "last_days", "hours")),
        },
        noted_first=True,
    ),
    "broker_clock": FaultKind(
        (AT, STANDING),
        "Faults.set_clock",
        {"seconds": FaultParameter(0.0, least=None), "answers": FaultParameter(True)},
        noted_first=True,
    ),
    "garbage": FaultKind(LINK, "LinkFaults.garbage", {"what": _one_of("unknown", "short", "length")}),
    "slow": FaultKind(
        (*LINK, STANDING),
        "LinkFaults.slow_down",
        {"seconds": FaultParameter(0.0), "real_seconds": FaultParameter(0.0), "lasts": FaultParameter(NEVER_ENDS)},
        noted_first=True,
    ),
}
