"""Random specs of bots that roll: all of a position, one side of it, or legs by name; soon after they have entered."""

from random import Random

WINDOWS = (("09:35", "10:30"), ("10:00", "11:00"), ("14:30", "15:20"))


def rolling_spec(seed: int, name: str = "rolling") -> str:
    """Return the text of a spec; the same for the same seed. All are valid."""
    chance = Random(f"rolls {seed}")
    symbol = chance.choice(("SPX", "SPX", "SPY"))
    sides = chance.choice((("put", "call"), ("put", "call"), ("put",), ("call",)))
    unit, is_winged = (5 if symbol == "SPX" else 1), chance.random() < 0.7
    dte = chance.choice((0, 0, 1, 7))
    begins, ends = chance.choice(WINDOWS)
    rolls = [_roll(chance, number, sides, unit, dte, is_winged=is_winged) for number in range(chance.choice((1, 2, 3)))]
    others = _other_exits(chance, sides, dte)
    return "\n".join(
        [
            "rulebot: 1",
            f"name: {name}",
            "about: Rolls whatever chance has written.",
            f"underlying: {symbol}",
            f"quantity: {chance.choice((1, 1, 2, 3))}",
            "entry:",
            f'  window: {{from: "{begins}", to: "{ends}"}}',
            f"  max_open: {chance.choice((1, 2, 3))}",
            *(["  per_day: 2", "  again: {after: [filled], wait: 3m}"] if chance.random() < 0.4 else []),
            "legs:",
            f"  expiry: {{dte: {dte if dte < 7 else '{nearest: 7}'}}}",
            f"  on_conflict: {chance.choice(('allow', 'skip'))}",
            *(f"  {leg}" for side in sides for leg in _legs(chance, side, unit * 3, is_winged=is_winged)),
            f"order: {_order(chance, 'cancel')}",
            "exits:",
            *chance.choice(((*rolls, *others), (*others[:-1], *rolls, others[-1]))),
            f"exit_order: {_order(chance, chance.choice(('market', 'market', 'keep')))}",
            *_risk(chance, is_winged=is_winged),
            "",
        ]
    )


def _legs(chance: Random, side: str, wing: int, *, is_winged: bool) -> list[str]:
    away = "below" if side == "put" else "above"
    found = [f"short_{side}: {{sell: {side}, strike: {{delta: {chance.choice((0.1, 0.16, 0.25, 0.3))}}}}}"]
    if is_winged:
        found.append(f"long_{side}: {{buy: {side}, strike: {{{away}: short_{side}, by: {wing} pts}}}}")
    return found


def _roll(chance: Random, number: int, sides: tuple[str, ...], unit: int, dte: int, *, is_winged: bool) -> str:
    part = (chance.choice(sides),) if chance.random() < 0.75 else sides
    tested = (
        f"leg_delta: {{of: short_{part[0]}, {chance.choice(('at_least', 'at_most'))}: {chance.choice((0.12, 0.25))}}}"
    )
    when = chance.choice((tested, f"time_in_trade: {{at_least: {chance.choice((1, 2, 4, 9))}m}}", "loss: {above: $5}"))
    held = chance.choice(("", f"sessions_in_trade: {{at_most: {chance.choice((0, 1))}}}", f"dte: {{at_most: {dte}}}"))
    found = [f"  - name: roll_{number}", "    all:", f"    - {when}", *([f"    - {held}"] if held else [])]
    if len(part) < len(sides):
        named = [f"short_{part[0]}", *([f"long_{part[0]}"] if is_winged else [])]
        closes = f"{part[0]}_side" if chance.random() < 0.7 else f"[{', '.join(named)}]"
        found.append(f"    close: {closes}")
    elif when == tested:  # else the leg that it judges is rolled alone
        found.append("    close: all")
    terms = [f"expiry: {{dte: {{at_least: {dte + chance.choice((1, 1, 3))}}}}}"] if chance.random() < 0.6 else []
    if not terms or chance.random() < 0.6:
        strikes = [_new_strikes(chance, side, unit, is_winged=is_winged) for side in part]
        terms.append(f"strikes: {{{', '.join(strikes)}}}")
    if chance.random() < 0.4:
        terms.append(f"require: [{{{chance.choice(('credit: {at_least: 0.02}', 'debit: {at_most: 3}'))}}}]")
    if chance.random() < 0.3:
        terms.append("else: close")
    found.append(f"    roll: {{{', '.join(terms)}}}")
    if chance.random() < 0.2:
        found.append(f"    confirm: {chance.choice(('2 quotes', '20s'))}")
    return "\n".join(found)


def _new_strikes(chance: Random, side: str, unit: int, *, is_winged: bool) -> str:
    away = "below" if side == "put" else "above"
    found = f"short_{side}: {{delta: {chance.choice((0.12, 0.2, 0.3, 0.4))}}}"
    if is_winged:
        found += f", long_{side}: {{{away}: short_{side}, by: {unit * chance.choice((2, 3, 4))} pts}}"
    return found


def _other_exits(chance: Random, sides: tuple[str, ...], dte: int) -> list[str]:
    found = []
    if len(sides) > 1 and chance.random() < 0.4:
        away = chance.choice(("loss: {above: $5}", "profit: {above: $5}", "vix: {above: 1}"))
        found.append(f"  - {away}\n    name: one_side\n    close: {chance.choice(sides)}_side")
    if chance.random() < 0.4:
        found.append(f"  - target: {{profit: {chance.choice((20, 50))}%}}")
    if chance.random() < 0.5:
        each = chance.choice(("", ", of: each_side")) if len(sides) > 1 else ""
        found.append(f"  - stop: {{cost: {chance.choice((1.5, 3))}x credit{each}}}")
    last = chance.choice(('  - time: "15:40"', "  - at_expiry: settle"))
    return [*found, "  - dte: {at_most: 0}\n    name: last" if dte and chance.random() < 0.5 else last]


def _order(chance: Random, then: str) -> str:
    last = "" if then == "keep" else f", then: {then}"
    wait, tries = chance.choice((5, 10, 15)), chance.choice((2, 4, 8))
    return f"{{start: {chance.choice(('mid', 'natural'))}, step: 0.05, wait: {wait}s, tries: {tries}{last}}}"


def _risk(chance: Random, *, is_winged: bool) -> list[str]:
    found = ["risk:", "  max_loss_per_trade: $9000" if is_winged else "  undefined_risk: allow"]
    if not is_winged and chance.random() < 0.4:
        found.append(f"  protect: {{cost: {chance.choice((4, 6))}x credit}}")
    if chance.random() < 0.15:
        found.append("  halt_when: [{vix_spike: {above: 0.3 pts}}]")
    return found
