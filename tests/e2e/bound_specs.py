"""Random specs for the property of the loss bound: structures, orders and exits, drawn from a seed."""

from collections.abc import Sequence
from random import Random

TIMES = '  - time: "10:50"\n    order: {start: natural, wait: 5s, then: market}\n'
LADDERS = (
    "{start: mid, step: 0.05, wait: 5s, tries: 3, then: market}",
    "{start: natural, wait: 20s, then: again}",
    "{start: mid, step: 0.10, wait: 10s}",
    "market",
)
NO_BOUND = frozenset(("short_call", "strangle", "call_ratio"))
"""Structures whose loss has no bound, whatever their exits."""
NAKED = NO_BOUND | {"short_put", "put_ratio", "one_one_two"}
BOUGHT = frozenset(("bought", "calendar", "double_calendar", "fly", "put_debit", "call_debit"))
OF_SHARES = frozenset(("covered_call", "collar", "calendar_of_shares"))
"""Structures on SPY, whose options deliver shares."""
WITH_SHARES = frozenset(("covered_call", "collar"))
"""Structures with shares among the legs: these do not expire."""
PROTECTED = frozenset(("put_credit", "call_credit", "condor_again", "iron_fly_again"))
"""Structures that may have a stop of each short leg at the broker."""


def symbol_of(number: int) -> str:
    """Return the underlying of a spec."""
    return "SPY" if spec_of(number)[0] in OF_SHARES else "SPX"


def spec_of(number: int) -> tuple[str, str]:
    """Return the kind of a structure and the text of a spec: the same for the same number."""
    chance = Random(f"spec {number}")
    kind = chance.choice(tuple(STRUCTURES))
    legs = STRUCTURES[kind](chance)
    names = [line.split(":")[0].strip() for line in legs if ":" in line and "expiry:" not in line.split("{")[0]]
    shorts = [name for name, line in zip(names, legs, strict=True) if "sell:" in line]
    risk = "{undefined_risk: allow}" if kind in NAKED else f"{{max_loss_per_trade: $200000{_protect(chance, kind)}}}"
    text = "\n".join(
        (
            "rulebot: 1",
            f"name: bound_{number}",
            "about: Tries the bound of what a trade can lose.",
            f"underlying: {'SPY' if kind in OF_SHARES else 'SPX'}",
            f"quantity: {chance.randint(1, 4)}",
            "entry:",
            '  window: {from: "10:00", to: "10:12"}',
            "  per_day: 1",
            "  max_open: 1",
            "  again: {after: [unfilled], wait: 1m, at_most: 5}",
            "legs:",
            "  expiry: {dte: 0}",
            *(f"  {line}" for line in legs),
            f"order: {_order(chance, names, shorts)}",
            "exits:",
            *_exits(chance, kind, names, shorts),
            f"risk: {risk}",
        )
    )
    return kind, text + "\n"


def _protect(chance: Random, kind: str) -> str:
    if kind not in PROTECTED or chance.random() < 0.6:
        return ""
    return f", protect: {{cost: {chance.choice((2, 4))}x credit, of: each_short}}"


def _order(chance: Random, names: Sequence[str], shorts: Sequence[str]) -> str:
    if 1 < len(names) <= 2 and chance.random() < 0.3:
        longs_first = sorted(names, key=lambda name: name in shorts)
        return f"{{leg_by_leg: [{', '.join(longs_first)}], start: natural, wait: 5s, tries: 2, then: unwind}}"
    start = chance.choice(("start: mid, step: 0.10", "start: natural"))
    return f"{{{start}, wait: 10s, tries: {chance.randint(2, 4)}, then: cancel}}"


# ---------------------------------------------------------------- structures


def _vertical(right: str, *, is_credit: bool):  # type: ignore[no-untyped-def]
    def legs(chance: Random) -> list[str]:
        outward, inward = ("below", "above") if right == "put" else ("above", "below")
        away = f"strike: {{otm: {chance.choice((0, 10, 20, 40))} pts}}"
        wing = f"strike: {{{outward if is_credit else inward}: near, by: {_width(chance)} pts}}"
        near, far = ("sell", "buy")
        return [f"near: {{{near}: {right}, {away}}}", f"far: {{{far}: {right}, {wing}}}"]

    return legs


def _width(chance: Random) -> int:
    return chance.choice((5, 10, 20, 30, 50))


def _condor(chance: Random) -> list[str]:
    away = chance.choice((0, 10, 20, 40))
    return [
        f"short_put: {{sell: put, strike: {{otm: {away} pts}}}}",
        f"long_put: {{buy: put, strike: {{below: short_put, by: {_width(chance)} pts}}}}",
        f"short_call: {{sell: call, strike: {{otm: {away} pts}}}}",
        f"long_call: {{buy: call, strike: {{above: short_call, by: {_width(chance)} pts}}}}",
    ]


def _iron_fly(chance: Random) -> list[str]:
    wing = _width(chance)
    return [
        "short_put: {sell: put, strike: {at: spot}}",
        "short_call: {sell: call, strike: {at: short_put}}",
        f"long_put: {{buy: put, strike: {{below: short_put, by: {wing} pts}}}}",
        f"long_call: {{buy: call, strike: {{above: short_call, by: {_width(chance)} pts}}}}",
    ]


def _fly(chance: Random) -> list[str]:
    right = chance.choice(("put", "call"))
    return [
        f"body: {{sell: {right}, strike: {{at: spot}}, ratio: 2}}",
        f"lower: {{buy: {right}, strike: {{below: body, by: {_width(chance)} pts}}}}",
        f"upper: {{buy: {right}, strike: {{above: body, by: {_width(chance)} pts}}}}",
    ]


def _calendar(chance: Random) -> list[str]:
    right = chance.choice(("put", "call"))
    later = f"expiry: {{dte: {{nearest: {chance.choice((1, 2))}}}}}"
    return [
        f"front: {{sell: {right}, strike: {{otm: {chance.choice((0, 10, 20))} pts}}}}",
        f"back: {{buy: {right}, strike: {{at: front}}, {later}}}",
    ]


def _bought(chance: Random) -> list[str]:
    return [f"only: {{buy: {chance.choice(('put', 'call'))}, strike: {{otm: {chance.choice((0, 20))} pts}}}}"]


def _short_put(chance: Random) -> list[str]:
    return [f"only: {{sell: put, strike: {{otm: {chance.choice((0, 20))} pts}}}}"]


def _short_call(chance: Random) -> list[str]:
    return [f"only: {{sell: call, strike: {{otm: {chance.choice((0, 20))} pts}}}}"]


def _strangle(chance: Random) -> list[str]:
    return ["put: {sell: put, strike: {otm: 10 pts}}".replace("put:", "low:", 1), *_short_call(chance)]


def _put_ratio(chance: Random) -> list[str]:
    return [
        "near: {buy: put, strike: {at: spot}}",
        f"far: {{sell: put, strike: {{below: near, by: {_width(chance)} pts}}, ratio: 2}}",
    ]


def _call_ratio(chance: Random) -> list[str]:
    return [
        "near: {buy: call, strike: {at: spot}}",
        f"far: {{sell: call, strike: {{above: near, by: {_width(chance)} pts}}, ratio: 2}}",
    ]


def _backspread(chance: Random) -> list[str]:
    right, outward = chance.choice((("put", "below"), ("call", "above")))
    return [
        f"near: {{sell: {right}, strike: {{at: spot}}}}",
        f"far: {{buy: {right}, strike: {{{outward}: near, by: {_width(chance)} pts}}, ratio: 2}}",
    ]


def _one_one_two(chance: Random) -> list[str]:
    return [
        "long_put: {buy: put, strike: {otm: 5 pts}}",
        f"short_put: {{sell: put, strike: {{below: long_put, by: {_width(chance)} pts}}}}",
        "naked: {sell: put, strike: {below: short_put, by: 30 pts}, ratio: 2}",
    ]


def _call_one_one_two(chance: Random) -> list[str]:
    return [
        "long_call: {buy: call, strike: {otm: 5 pts}}",
        f"short_call: {{sell: call, strike: {{above: long_call, by: {_width(chance)} pts}}}}",
        "body: {sell: call, strike: {above: short_call, by: 15 pts}, ratio: 2}",
        f"wing: {{buy: call, strike: {{above: body, by: {_width(chance)} pts}}, ratio: 2}}",
    ]


def _double_calendar(chance: Random) -> list[str]:
    later = f"expiry: {{dte: {{nearest: {chance.choice((1, 2))}}}}}"
    away = chance.choice((5, 10, 20))
    return [
        f"front_put: {{sell: put, strike: {{otm: {away} pts}}}}",
        f"back_put: {{buy: put, strike: {{at: front_put}}, {later}}}",
        f"front_call: {{sell: call, strike: {{otm: {away} pts}}}}",
        f"back_call: {{buy: call, strike: {{at: front_call}}, {later}}}",
    ]


def _covered_call(chance: Random) -> list[str]:
    return ["stock: {buy: shares}", f"short_call: {{sell: call, strike: {{otm: {chance.choice((0, 1, 3))} pts}}}}"]


def _collar(chance: Random) -> list[str]:
    return [
        *_covered_call(chance),
        f"long_put: {{buy: put, strike: {{otm: {chance.choice((1, 3, 5))} pts}}}}",
    ]


def _calendar_of_shares(chance: Random) -> list[str]:
    return [line.replace("10 pts", "1 pts").replace("20 pts", "2 pts") for line in _calendar(chance)]


STRUCTURES = {
    "put_credit": _vertical("put", is_credit=True),
    "call_credit": _vertical("call", is_credit=True),
    "put_debit": _vertical("put", is_credit=False),
    "call_debit": _vertical("call", is_credit=False),
    "condor": _condor,
    "iron_fly": _iron_fly,
    "condor_again": _condor,
    "iron_fly_again": _iron_fly,
    "fly": _fly,
    "calendar": _calendar,
    "bought": _bought,
    "short_put": _short_put,
    "put_ratio": _put_ratio,
    "backspread": _backspread,
    "one_one_two": _one_one_two,
    "short_call": _short_call,
    "strangle": _strangle,
    "call_ratio": _call_ratio,
    "call_one_one_two": _call_one_one_two,
    "double_calendar": _double_calendar,
    "covered_call": _covered_call,
    "collar": _collar,
    "calendar_of_shares": _calendar_of_shares,
}


# ---------------------------------------------------------------- exits


def _exits(chance: Random, kind: str, names: Sequence[str], shorts: Sequence[str]) -> list[str]:
    sides = {"condor", "iron_fly", "condor_again", "iron_fly_again"}
    is_bought = kind in BOUGHT or kind in OF_SHARES
    found = []
    if kind in sides and chance.random() < 0.6:
        found.append(chance.choice(("stop: {loss: 30%, of: each_side}", "stop: {cost: 1x credit, of: each_side}")))
    elif chance.random() < 0.4:
        found.append("stop: {loss: 50%}" if is_bought else chance.choice(("stop: {loss: 100%}", "stop: {loss: 40%}")))
    if kind in sides and chance.random() < 0.2:
        found.append("name: danger\n    leg_delta: {beyond: 0.70}\n    close: put_side")
    elif shorts and chance.random() < 0.25:
        found.append(
            f"name: alone\n    leg_delta: {{of: {shorts[0]}, beyond: 0.60}}\n    close: [{_alone(chance, names)}]"
        )
    if chance.random() < 0.35:
        found.append(f"name: half\n    target: {{profit: {chance.choice((5, 10))}%}}\n    close: 50%")
    if chance.random() < 0.4:
        found.append(f"target: {{profit: {chance.choice((20, 40, 60))}%}}")
    chance.shuffle(found)
    lines = [f"  - {each}\n    order: {chance.choice(LADDERS)}" for each in found if "target" not in each]
    lines += [f"  - {each}" for each in found if "target" in each]
    end = TIMES if kind in WITH_SHARES or chance.random() < 0.75 else "  - at_expiry: settle\n"
    return [line.rstrip() for line in ([TIMES, *lines] if end is TIMES else [*lines, end])]


def _alone(chance: Random, names: Sequence[str]) -> str:
    return ", ".join(chance.sample(list(names), chance.randint(1, len(names))))
