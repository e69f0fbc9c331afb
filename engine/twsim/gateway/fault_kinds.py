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
class Param:
    """One parameter of a kind. A number unless it has choices or its default is a text or a flag.

    apart: its values that are counted as kinds of their own, since another behaviour is required of each.
    """

    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = 0.0
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of fault can be triggered by, and its parameters."""

    triggers: tuple[str, ...]
    params: Mapping[str, Param] = field(default_factory=dict)


def _one_of(*choices: str) -> Param:
    """Return a parameter with these choices, the first by default, each a kind of its own."""
    return Param(choices[0], choices, apart=choices)


def _for(seconds: float) -> Param:
    return Param(seconds, least=1.0)


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


_SYMBOL = Param("all")
_SOME_TIME = {"seconds": Param(5.0)}
_LISTS = ("orders", "positions", "executions", "completed")
_QUOTES = {"seconds": _for(30.0), "symbol": _SYMBOL, "of": Param("options", ("options", "underlying", "all"))}
KINDS: dict[str, Kind] = {
    "cut": Kind(
        LINK,
        {
            "mid_frame": Param(False, apart=("mid_frame",)),
            "how": _one_of("reset", "fin"),
        },
    ),
    "silence": Kind(LINK, {"real_seconds": Param(NEVER_ENDS)}),
    "lost_connectivity": Kind(
        SOON,
        {
            "seconds": _for(30.0),
            "restored": Param("1102", ("1101", "1102"), apart=("1101", "1102")),
            "executions": Param("after", ("after", "asked")),
        },
    ),
    "swallow_order": Kind((ORDER,)),
    "late_order": Kind((ORDER,), {"seconds": _for(60.0)}),
    "pacing": Kind((ORDER,)),
    "lose_ack": Kind((ORDER,)),
    "inactive": Kind((ORDER,), {"seconds": _for(30.0)}),
    "preset": Kind((ORDER,), {"what": _one_of("price", "quantity", "tif"), "price_by": Param(0.1, least=0.01)}),
    "legs_rewritten": Kind((ORDER,), {"changes": _one_of("told", "refused")}),
    "change_doubled": Kind(
        (ORDER,), {"told": _one_of("listed", "at_once"), "cancels": Param("second", ("second", "first"))}
    ),
    "worse_fill": Kind((ORDER,), {"price_by": Param(0.05, least=0.01)}),
    "overfill": Kind((FILL,), {"seconds": Param(1.0)}),
    "one_leg": Kind((ORDER,), {"leg": Param(1.0, least=1.0)}),
    "expires": Kind((ORDER, FILL), {"seconds": Param(20.0)}),
    "duplicate": Kind(
        (ORDER, FILL),
        {
            "what": Param(
                "all", ("all", "status", "execution", "commission"), apart=("status", "execution", "commission")
            )
        },
    ),
    "execution_first": Kind((ORDER,), {"seconds": _for(10.0)}),
    "lost_execution": Kind((FILL,), {"status": _one_of("told", "lost")}),
    "late_leg": Kind((FILL,), {"seconds": _for(20.0)}),
    "no_summary": Kind((FILL,)),
    "late_summary": Kind((FILL,), {"seconds": _for(20.0)}),
    "swallow_cancel": Kind((CANCEL,)),
    "refuse_cancel": Kind((CANCEL,), {"code": Param(10148.0), "text": Param("")}),
    "pending_cancel": Kind((CANCEL,), {"seconds": Param(45.0)}),
    "late_fill": Kind((CANCEL,), {"seconds": Param(5.0)}),
    "correction": Kind(
        (FILL,),
        {"seconds": Param(30.0), "price_by": Param(0.0, least=None), "quantity_by": Param(0.0, least=None)},
    ),
    "late_commission": Kind((ORDER, FILL), {"seconds": _for(30.0)}),
    "unset_commission": Kind((FILL,), {"seconds": _for(30.0)}),
    "no_commission": Kind((ORDER, FILL)),
    "roll_back_ids": Kind((CONNECT,), {"to": Param(1.0, least=1.0)}),
    "id_in_use": Kind((CONNECT,), {"attempts": Param(1.0, least=1.0)}),
    "reject": Kind(
        (ORDER,),
        {
            "code": Param(201.0, apart=("103", "110", "200", "201", "321", "460")),
            "text": Param("Order rejected - reason:The order was refused by a fault plan"),
            "status": Param("Inactive", ("Inactive", "Cancelled", "none")),
        },
    ),
    "warning": Kind(
        (ORDER,),
        {
            "code": Param(399.0, apart=("202", "399", "2109", "10148", "10349")),
            "text": Param("Order Message:\nWarning: nothing has changed"),
            "of": Param("order", ("order", "change")),
            "made": Param(True),
        },
    ),
    "farm_down": Kind(
        LINK, {"seconds": _for(30.0), "farm": Param("usopt"), "lines": Param("resume", ("resume", "die"))}
    ),
    "dead_line": Kind(SOON, {"symbol": _SYMBOL, "of": Param("underlying", ("underlying", "options", "all"))}),
    "competing_session": Kind(LINK, {"seconds": Param(NEVER_ENDS)}),
    "restart": Kind(LINK, {"seconds": _for(30.0)}),
    "hang_up": Kind((CONNECT,), {"attempts": Param(1.0, least=1.0)}),
    "wrong_account": Kind(
        (CONNECT,), {"accounts": _one_of("live", "several", "none"), "attempts": Param(1.0, least=1.0)}
    ),
    "incomplete": Kind((CONNECT,), {"what": _one_of(*_LISTS, "account"), "then": Param("silence", ("silence", "cut"))}),
    "short_list": Kind((CONNECT,), {"what": _one_of(*_LISTS), "seconds": Param(20.0)}),
    "account_not_ready": Kind((AT, ORDER, CONNECT), {"seconds": _for(60.0)}),
    "read_only": Kind((AT, ORDER, CONNECT), {"seconds": _for(60.0)}),
    "time_passes": Kind(SOON, {"seconds": _for(300.0)}),
    "person_closes": Kind(SOON, _SOME_TIME),
    "person_closes_part": Kind(SOON, _SOME_TIME),
    "person_halves": Kind(SOON, _SOME_TIME),
    "person_closes_leg": Kind(SOON, _SOME_TIME),
    "person_adds": Kind(SOON, _SOME_TIME),
    "person_sells_shares": Kind(SOON, {**_SOME_TIME, "part": Param(1.0)}),
    "person_cancels": Kind(SOON, _SOME_TIME),
    "person_cancels_all": Kind(SOON, _SOME_TIME),
    "person_changes": Kind(SOON, {**_SOME_TIME, "price_by": Param(0.1, least=None)}),
    "strange_order": Kind(SOON, _SOME_TIME),
    "liquidation": Kind(SOON, _SOME_TIME),
    "assignment": Kind(SOON, _SOME_TIME),
    "no_quote": Kind(SOON, _QUOTES),
    "zero_size": Kind(SOON, _QUOTES),
    "zero_bid": Kind(SOON, _QUOTES),
    "crossed": Kind(SOON, _QUOTES),
    "wide_spread": Kind(SOON, _QUOTES),
    "spike": Kind(SOON, _QUOTES),
    "one_stale": Kind(SOON, {"seconds": _for(60.0)}),
    "frozen": Kind(SOON, {"seconds": _for(60.0)}),
    "halt": Kind(SOON, {"seconds": _for(300.0), "symbol": _SYMBOL}),
    "short_day": Kind((AT, STANDING), {"close": _one_of("13:00", "closed")}),
    "bad_greeks": Kind(
        SOON, {"seconds": _for(30.0), "symbol": _SYMBOL, "what": _one_of("missing", "zero_iv", "wrong_sign")}
    ),
    "line_limit": Kind((AT, CONNECT), {"seconds": _for(60.0)}),
    "chain_hole": Kind((AT, CONNECT, STANDING), {"seconds": Param(NEVER_ENDS), "symbol": _SYMBOL, "share": Param(0.3)}),
    "adjusted": Kind((AT, CONNECT, STANDING), {"seconds": Param(NEVER_ENDS), "symbol": _SYMBOL}),
    "not_subscribed": Kind(
        (AT, STANDING), {"symbol": _SYMBOL, "code": Param("354", ("354", "10089"), apart=("354", "10089"))}
    ),
    "delayed_data": Kind((AT, STANDING), {"symbol": _SYMBOL}),
    "time_zone": Kind(
        (AT, STANDING),
        {
            "name": Param("British Summer Time"),
            "place": Param(""),
            "of": Param("all", ("all", "executions", "last_days", "hours")),
        },
    ),
    "broker_clock": Kind((AT, STANDING), {"seconds": Param(0.0, least=None), "answers": Param(True)}),
    "garbage": Kind(LINK, {"what": _one_of("unknown", "short", "length")}),
    "slow": Kind(
        (*LINK, STANDING),
        {"seconds": Param(0.0), "real_seconds": Param(0.0), "lasts": Param(NEVER_ENDS)},
    ),
}
