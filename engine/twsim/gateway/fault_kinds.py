"""Which kinds of faults there are: what triggers each, its parameters, and which of those are kinds of their own."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from rulebot.model.values import dataclass

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


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a kind of fault can be triggered by, and its parameters."""

    triggers: tuple[str, ...]
    params: Mapping[str, FaultParameter] = field(default_factory=dict)


def _one_of(*choices: str) -> FaultParameter:
    """Return a parameter with these choices, the first by default, each a kind of its own."""
    return FaultParameter(choices[0], choices, apart=choices)


def _for(seconds: float) -> FaultParameter:
    return FaultParameter(seconds, least=1.0)


def label(kind: str, values: Mapping[str, Any]) -> str:
    """Return the name under which a fault is counted: its kind, and the value that makes it one of its own."""
    for name, param in KINDS[kind].params.items():
        value = values.get(name, param.default)
        word = name if value is True else f"{value:g}" if isinstance(value, int | float) else str(value)
        if value is not False and word in param.apart:
            return f"{kind} {word}"
    return kind


def labels(kind: str) -> tuple[str, ...]:
    """Return every name under which faults of a kind may be counted."""
    found = [f"{kind} {word}" for param in KINDS[kind].params.values() for word in param.apart]
    return tuple(found) or (kind,)


_SYMBOL = FaultParameter("all")
_SOME_TIME = {"seconds": FaultParameter(5.0)}
_LISTS = ("orders", "positions", "executions", "completed")
_QUOTES = {"seconds": _for(30.0), "symbol": _SYMBOL, "of": FaultParameter("options", ("options", "underlying", "all"))}
KINDS: dict[str, FaultKind] = {
    "cut": FaultKind(
        LINK,
        {
            "mid_frame": FaultParameter(False, apart=("mid_frame",)),
            "how": _one_of("reset", "fin"),
        },
    ),
    "silence": FaultKind(LINK, {"real_seconds": FaultParameter(NEVER_ENDS)}),
    "lost_connectivity": FaultKind(
        SOON,
        {
            "seconds": _for(30.0),
            "restored": FaultParameter("1102", ("1101", "1102"), apart=("1101", "1102")),
            "executions": FaultParameter("after", ("after", "asked")),
        },
    ),
    "swallow_order": FaultKind((ORDER,)),
    "late_order": FaultKind((ORDER,), {"seconds": _for(60.0)}),
    "pacing": FaultKind((ORDER,)),
    "lose_ack": FaultKind((ORDER,)),
    "inactive": FaultKind((ORDER,), {"seconds": _for(30.0)}),
    "preset": FaultKind(
        (ORDER,), {"what": _one_of("price", "quantity", "tif"), "price_by": FaultParameter(0.1, least=0.01)}
    ),
    "legs_rewritten": FaultKind((ORDER,), {"changes": _one_of("told", "refused")}),
    "change_doubled": FaultKind(
        (ORDER,), {"told": _one_of("listed", "at_once"), "cancels": FaultParameter("second", ("second", "first"))}
    ),
    "worse_fill": FaultKind((ORDER,), {"price_by": FaultParameter(0.05, least=0.01)}),
    "overfill": FaultKind((FILL,), {"seconds": FaultParameter(1.0)}),
    "one_leg": FaultKind((ORDER,), {"leg": FaultParameter(1.0, least=1.0)}),
    "expires": FaultKind((ORDER, FILL), {"seconds": FaultParameter(20.0)}),
    "duplicate": FaultKind(
        (ORDER, FILL),
        {
            "what": FaultParameter(
                "all", ("all", "status", "execution", "commission"), apart=("status", "execution", "commission")
            )
        },
    ),
    "execution_first": FaultKind((ORDER,), {"seconds": _for(10.0)}),
    "lost_execution": FaultKind((FILL,), {"status": _one_of("told", "lost")}),
    "late_leg": FaultKind((FILL,), {"seconds": _for(20.0)}),
    "no_summary": FaultKind((FILL,)),
    "late_summary": FaultKind((FILL,), {"seconds": _for(20.0)}),
    "swallow_cancel": FaultKind((CANCEL,)),
    "refuse_cancel": FaultKind((CANCEL,), {"code": FaultParameter(10148.0), "text": FaultParameter("")}),
    "pending_cancel": FaultKind((CANCEL,), {"seconds": FaultParameter(45.0)}),
    "late_fill": FaultKind((CANCEL,), {"seconds": FaultParameter(5.0)}),
    "correction": FaultKind(
        (FILL,),
        {
            "seconds": FaultParameter(30.0),
            "price_by": FaultParameter(0.0, least=None),
            "quantity_by": FaultParameter(0.0, least=None),
        },
    ),
    "late_commission": FaultKind((ORDER, FILL), {"seconds": _for(30.0)}),
    "unset_commission": FaultKind((FILL,), {"seconds": _for(30.0)}),
    "no_commission": FaultKind((ORDER, FILL)),
    "roll_back_ids": FaultKind((CONNECT,), {"to": FaultParameter(1.0, least=1.0)}),
    "id_in_use": FaultKind((CONNECT,), {"attempts": FaultParameter(1.0, least=1.0)}),
    "reject": FaultKind(
        (ORDER,),
        {
            "code": FaultParameter(201.0, apart=("103", "110", "200", "201", "321", "460")),
            "text": FaultParameter("Order rejected - reason:The order was refused by a fault plan"),
            "status": FaultParameter("Inactive", ("Inactive", "Cancelled", "none")),
        },
    ),
    "warning": FaultKind(
        (ORDER,),
        {
            "code": FaultParameter(399.0, apart=("202", "399", "2109", "10148", "10349")),
            "text": FaultParameter("Order Message:\nWarning: nothing has changed"),
            "of": FaultParameter("order", ("order", "change")),
            "made": FaultParameter(True),
        },
    ),
    "farm_down": FaultKind(
        LINK,
        {"seconds": _for(30.0), "farm": FaultParameter("usopt"), "lines": FaultParameter("resume", ("resume", "die"))},
    ),
    "dead_line": FaultKind(
        SOON, {"symbol": _SYMBOL, "of": FaultParameter("underlying", ("underlying", "options", "all"))}
    ),
    "competing_session": FaultKind(LINK, {"seconds": FaultParameter(NEVER_ENDS)}),
    "restart": FaultKind(LINK, {"seconds": _for(30.0)}),
    "hang_up": FaultKind((CONNECT,), {"attempts": FaultParameter(1.0, least=1.0)}),
    "wrong_account": FaultKind(
        (CONNECT,), {"accounts": _one_of("live", "several", "none"), "attempts": FaultParameter(1.0, least=1.0)}
    ),
    "incomplete": FaultKind(
        (CONNECT,), {"what": _one_of(*_LISTS, "account"), "then": FaultParameter("silence", ("silence", "cut"))}
    ),
    "short_list": FaultKind((CONNECT,), {"what": _one_of(*_LISTS), "seconds": FaultParameter(20.0)}),
    "account_not_ready": FaultKind((AT, ORDER, CONNECT), {"seconds": _for(60.0)}),
    "read_only": FaultKind((AT, ORDER, CONNECT), {"seconds": _for(60.0)}),
    "time_passes": FaultKind(SOON, {"seconds": _for(300.0)}),
    "person_closes": FaultKind(SOON, _SOME_TIME),
    "person_closes_part": FaultKind(SOON, _SOME_TIME),
    "person_halves": FaultKind(SOON, _SOME_TIME),
    "person_closes_leg": FaultKind(SOON, _SOME_TIME),
    "person_adds": FaultKind(SOON, _SOME_TIME),
    "person_sells_shares": FaultKind(SOON, {**_SOME_TIME, "part": FaultParameter(1.0)}),
    "person_cancels": FaultKind(SOON, _SOME_TIME),
    "person_cancels_all": FaultKind(SOON, _SOME_TIME),
    "person_changes": FaultKind(SOON, {**_SOME_TIME, "price_by": FaultParameter(0.1, least=None)}),
    "strange_order": FaultKind(SOON, _SOME_TIME),
    "liquidation": FaultKind(SOON, _SOME_TIME),
    "assignment": FaultKind(SOON, _SOME_TIME),
    "no_quote": FaultKind(SOON, _QUOTES),
    "zero_size": FaultKind(SOON, _QUOTES),
    "zero_bid": FaultKind(SOON, _QUOTES),
    "crossed": FaultKind(SOON, _QUOTES),
    "wide_spread": FaultKind(SOON, _QUOTES),
    "spike": FaultKind(SOON, _QUOTES),
    "one_stale": FaultKind(SOON, {"seconds": _for(60.0)}),
    "frozen": FaultKind(SOON, {"seconds": _for(60.0)}),
    "halt": FaultKind(SOON, {"seconds": _for(300.0), "symbol": _SYMBOL}),
    "short_day": FaultKind((AT, STANDING), {"close": _one_of("13:00", "closed")}),
    "bad_greeks": FaultKind(
        SOON, {"seconds": _for(30.0), "symbol": _SYMBOL, "what": _one_of("missing", "zero_iv", "wrong_sign")}
    ),
    "line_limit": FaultKind((AT, CONNECT), {"seconds": _for(60.0)}),
    "chain_hole": FaultKind(
        (AT, CONNECT, STANDING),
        {"seconds": FaultParameter(NEVER_ENDS), "symbol": _SYMBOL, "share": FaultParameter(0.3)},
    ),
    "adjusted": FaultKind((AT, CONNECT, STANDING), {"seconds": FaultParameter(NEVER_ENDS), "symbol": _SYMBOL}),
    "not_subscribed": FaultKind(
        (AT, STANDING), {"symbol": _SYMBOL, "code": FaultParameter("354", ("354", "10089"), apart=("354", "10089"))}
    ),
    "delayed_data": FaultKind((AT, STANDING), {"symbol": _SYMBOL}),
    "time_zone": FaultKind(
        (AT, STANDING),
        {
            "name": FaultParameter("British Summer Time"),
            "place": FaultParameter(""),
            "of": FaultParameter("all", ("all", "executions", "last_days", "hours")),
        },
    ),
    "broker_clock": FaultKind(
        (AT, STANDING), {"seconds": FaultParameter(0.0, least=None), "answers": FaultParameter(True)}
    ),
    "garbage": FaultKind(LINK, {"what": _one_of("unknown", "short", "length")}),
    "slow": FaultKind(
        (*LINK, STANDING),
        {"seconds": FaultParameter(0.0), "real_seconds": FaultParameter(0.0), "lasts": FaultParameter(NEVER_ENDS)},
    ),
}
