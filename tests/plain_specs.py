"""Random specs of same-day bots, most of them plain enough for a sweep by arrays, some not; one that is assigned."""

import re
from random import Random

ASSIGNED = """rulebot: 1
name: assigned
about: Sells a put and takes the shares.
underlying: SPY
entry: {at: "10:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot, round_to: 5}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - at_expiry: settle
risk: {undefined_risk: allow}
"""
WITH_SHARES = """rulebot: 1
name: with_shares
about: Buys shares against a call for a night.
underlying: SPY
entry: {at: "10:00", for: 5m, max_open: 1}
legs:
  expiry: {dte: {at_least: 1}}
  stock:      {buy: shares}
  short_call: {sell: call, strike: {delta: 0.40}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - dte: {at_most: 0}
risk: {undefined_risk: allow}
"""
SHAPES = ("condor", "put_spread", "call_spread", "long_put", "long_strangle", "debit_call_spread", "short_put")


def random_spec(seed: int, name: str = "plain", dte: int = 0) -> str:
    """Return the text of a spec; the same for the same seed. dte: of its options; with some it holds over nights."""
    chance = Random(seed)
    legs, is_credit, shorts = _legs(chance)
    price = "credit" if is_credit else "debit"
    return "\n".join(
        [
            "rulebot: 1",
            f"name: {name}",
            "about: Trades whatever chance has written.",
            "underlying: SPX",
            "entry:",
            *(entry := _entry(chance)),
            *(_opportunities(Random(seed)) if dte else _looks(Random(seed), entry[0])),
            "legs:",
            f"  expiry: {{dte: {dte}}}",
            f"  on_conflict: {chance.choice(('allow', 'skip'))}",
            *legs,
            *_require(chance, price),
            f"order: {_order(chance, 'cancel')}",
            "exits:",
            *(_exits_of_days(chance, price, shorts) if dte else _exits(chance, price, shorts)),
            f"exit_order: {_order(chance, chance.choice(('market', 'keep')))}",
            *_risk(chance, legs),
            "",
        ]
    )


def alike_specs(seed: int, count: int) -> list[str]:
    """Return specs that differ in numbers alone, whose strikes are chosen by delta; the same for the same seed."""
    text = re.sub(r"strike: \{(otm|expected_move|at): [^}]*\}", "strike: {delta: 0.15}", random_spec(seed))
    text = re.sub(r", (within|round_to|min_otm_distance): [0-9.]+( pts)?|, until: \"[0-9:]+\"", "", text)
    return [text, *(_varied(text, Random(1_000 * seed + number)) for number in range(1, count))]


_VARIED: tuple[tuple[str, tuple[object, ...]], ...] = (
    (r"(?<=delta: )[0-9.]+", (0.05, 0.08, 0.12, 0.16, 0.25)),
    (r"(?<=by: )[0-9]+", (5, 10, 15, 25)),
    (r"(?<=at_least: )[0-9.]+$", (0.2, 0.35, 0.5, 1)),
    (r"(?<=at_least: )[0-9.]+(?=x credit)", (1.2, 1.5, 2, 3)),
    (r"(?<=profit: )[0-9]+", (10, 25, 50, 75)),
    (r"(?<=above: \\$)[0-9]+", (40, 100, 250)),
    (r"(?<=leg_delta: \{above: )[0-9.]+", (0.2, 0.3, 0.4)),
    (r'(?<=window: \{from: ")[0-9:]+', ("09:33", "09:40", "10:00", "10:15")),
    (r'(?<=, to: ")[0-9:]+', ("10:20", "11:00", "12:30")),
)


def _varied(text: str, chance: Random) -> str:
    for pattern, values in _VARIED:
        text = re.sub(pattern, lambda _, values=values: f"{chance.choice(values)}", text, flags=re.MULTILINE)
    return text


CALM = """rulebot: 1
name: plain
about: Sells a same-day condor as far away as options at the money say, on calm days.
underlying: SPX
let: {{day_move: {{expected_move: {{asof: open}}}}}}
entry:
  window: {{from: "{begin}", to: "13:30"}}{every}
  when:
    - vix: {{between: [{low}, 30]}}
    - spx_spy_ratio: {{below: 10.05}}{volatility}
    - day_range: {{below: {range}x day_move}}
legs:
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{expected_move: {away}x}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  short_call: {{sell: call, strike: {{expected_move: {away}x}}}}
  long_call: {{buy: call, strike: {{above: short_call, by: 10 pts}}}}
  require:
    - credit: {{at_least: {credit}}}
    - quote_width: {{at_most: {width}}}{fair}
order: {{start: mid, step: {step}, wait: 10s, tries: {tries}, then: cancel}}
exits:
  - time: "15:30"
  - breach: {{spot_within: 5 pts}}
  - target: {{profit: 50%, at: natural}}
  - stop: {{loss: ${loss}}}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $1000
  halt_when:
    - vix_spike: {{above: {spike} pts}}{closing}
    - day_range: {{above: {halt}x day_move}}
      name: wide
    - move: {{beyond: {gone}x day_move}}
"""


def calm_spec(seed: int) -> str:
    """Return a spec that reads the market at the money: strikes, volatility, the move of the open; and that halts.

    The same for the same seed.
    """
    chance = Random(seed)
    every = chance.choice(("", "", "\n  every: 45s", "\n  every: 7m"))
    volatility = chance.choice(
        ("", "\n    - iv: {above: 9%}", "\n    - iv_over_rv: {above: 0.8}", "\n    - iv_over_rv: {above: 0.2}")
    )
    fair = chance.choice(("", "", "\n    - name: fair\n      credit: {at: mid, at_least: 0.02x expected_move}"))
    return CALM.format(
        begin=chance.choice(("09:36", "10:00", "10:30", "12:00")),
        every=every,
        volatility="" if every else volatility,
        fair=fair,
        low=chance.choice((8, 15, 18)),
        range=chance.choice((0.6, 1, 4)),
        away=chance.choice((0.5, 0.7, 0.8, 1, 1.2)),
        credit=chance.choice((0.1, 0.3, 0.5, 1)),
        width=chance.choice((0.5, 3)),
        tries=chance.choice((3, 4, 6)),
        step=chance.choice((0.05, 0.15)),
        loss=chance.choice((50, 200)),
        spike=chance.choice((0.3, 0.6, 3)),
        closing="\n      close: all" if seed % 2 else "",
        halt=chance.choice((0.8, 2, 9)),
        gone=chance.choice((3, 30, 30)),
    )


def _clock(minutes: int) -> str:
    return f'"{(570 + minutes) // 60:02d}:{(570 + minutes) % 60:02d}"'


def _entry(chance: Random) -> list[str]:
    begin = chance.choice((1, 5, 15, 30, 60, 120, 200))
    found = [f"  window: {{from: {_clock(begin)}, to: {_clock(begin + chance.choice((1, 5, 30, 90)))}}}"]
    if chance.random() < 0.15:
        found.append(f"  days: [{chance.choice(('mon, wed, fri', 'tue, thu'))}]")
    when = []
    if chance.random() < 0.6:
        low = chance.choice((10, 15, 17))
        when.append(f"    - vix: {{between: [{low}, {low + chance.choice((2, 6, 12))}]}}")
    if chance.random() < 0.2:
        when.append(
            f"    - move: {{since: open, {chance.choice(('above', 'below'))}: {chance.choice((-0.2, 0, 0.1))}%}}"
        )
    if chance.random() < 0.2:
        when.append("    - name: calm\n      any: [{vix: {below: 17}}, {vix_change: {since: open, below: 0.1 pts}}]")
    if chance.random() < 0.1:
        when.append("    - vix: {below: 30}\n      name: twice\n      confirm: 2 quotes")
    if chance.random() < 0.2:
        when.append("    - no_event: {of: [FOMC, CPI]}")
    return [*found, *(["  when:", *when] if when else [])]


def _strike(chance: Random) -> str:
    kind = chance.random()
    if kind < 0.6:
        selector = f"delta: {chance.choice((0.05, 0.08, 0.1, 0.16, 0.2, 0.3))}"
        if chance.random() < 0.15:
            selector += f", within: {chance.choice((0.005, 0.02))}"
    elif kind < 0.7:
        selector = f"expected_move: {chance.choice((0.8, 1, 1.3))}x"
    elif kind < 0.85:
        selector = f"otm: {chance.choice(('20 pts', '33 pts', '0.5%', '1%'))}"
    else:
        selector = "at: spot"
    if chance.random() < 0.15:
        selector += f", round_to: {chance.choice((10, 25))}"
    if chance.random() < 0.1:
        selector += f", min_otm_distance: {chance.choice((15, 30))} pts"
    return f"{{{selector}}}"


def _legs(chance: Random) -> tuple[list[str], bool, bool]:
    shape = chance.choice(SHAPES)
    wing = chance.choice((5, 10, 12, 20))
    put = [
        f"  short_put: {{sell: put, strike: {_strike(chance)}}}",
        f"  long_put: {{buy: put, strike: {{below: short_put, by: {wing} pts}}}}",
    ]
    call = [
        f"  short_call: {{sell: call, strike: {_strike(chance)}}}",
        f"  long_call: {{buy: call, strike: {{above: short_call, by: {wing} pts}}}}",
    ]
    if shape == "condor":
        return [*put, *call], True, True
    if shape == "put_spread":
        return put, True, True
    if shape == "call_spread":
        return call, True, True
    if shape == "long_put":
        return [f"  long_put: {{buy: put, strike: {_strike(chance)}}}"], False, False
    if shape == "short_put":
        return [f"  short_put: {{sell: put, strike: {_strike(chance)}}}"], True, True
    if shape == "long_strangle":
        puts = f"  long_put: {{buy: put, strike: {_strike(chance)}}}"
        return [puts, f"  long_call: {{buy: call, strike: {_strike(chance)}}}"], False, False
    near = f"  long_call: {{buy: call, strike: {_strike(chance)}}}"
    return [near, f"  short_call: {{sell: call, strike: {{above: long_call, by: {wing} pts}}}}"], False, True


def _require(chance: Random, price: str) -> list[str]:
    found = []
    if chance.random() < 0.5:
        at = chance.choice(("", "at: natural, ", "at: mid, "))
        bound = (
            f"at_least: {chance.choice((0.2, 0.5, 1))}" if price == "credit" else f"at_most: {chance.choice((1, 5))}"
        )
        found.append(f"    - {price}: {{{at}{bound}}}")
    if chance.random() < 0.15:
        found.append("    - quote_width: {at_most: 0.30}")
    return ["  require:", *found] if found else []


def _order(chance: Random, then: str) -> str:
    start = chance.choice(("mid", "natural", "natural"))
    tries = chance.choice((1, 2, 4, 6))
    step = "step: 0.05, " if start == "mid" or chance.random() < 0.3 else ""
    last = "" if then == "keep" else f", then: {then}"
    return f"{{start: {start}, {step}wait: {chance.choice((5, 10, 15))}s, tries: {tries}{last}}}"


def _exits(chance: Random, price: str, shorts: bool) -> list[str]:
    found = [f"  - time: {_clock(chance.choice((300, 350, 375, 380)))}"]
    if price == "credit" and chance.random() < 0.6:
        at = chance.choice(("", "at: natural, "))
        found.append(f"  - cost: {{{at}at_least: {chance.choice((1.5, 2, 3))}x credit}}\n    name: stop")
    if chance.random() < 0.2 and found and "cost" in found[-1]:
        found[-1] += f"\n    confirm: {chance.choice(('2 quotes', '5s'))}"
    if chance.random() < 0.6:
        at = chance.choice(("", ", at: natural"))
        found.append(f"  - target: {{profit: {chance.choice((20, 50, 80))}%{at}}}")
    if chance.random() < 0.3:
        found.append(f"  - loss: {{above: {chance.choice(('$50', '$200', '50%'))}}}\n    name: losing")
    if shorts and chance.random() < 0.4:
        found.append(f"  - leg_delta: {{above: {chance.choice((0.25, 0.35, 0.5))}}}")
    if shorts and chance.random() < 0.3:
        found.append(f"  - breach: {{spot_within: {chance.choice((2, 5, 10))} pts}}")
    if chance.random() < 0.2:
        found.append(f"  - vix: {{above: {chance.choice((19, 22))}}}\n    order: market")
    if shorts and chance.random() < 0.15:
        found.append(f"  - loss: {{above: {chance.choice((0.3, 0.6))}x max_risk}}\n    name: too_much")
    if chance.random() < 0.1:
        found.append("  - spot: {below: 5850}")
    chance.shuffle(found)
    return found


def _opportunities(chance: Random) -> list[str]:
    """Return how often a bot that holds over nights may enter."""
    found = [f"  max_open: {chance.choice((1, 2, 3))}"]
    if chance.random() < 0.3:
        found.append(f"  every: {chance.choice((2, 5))}m")
    if chance.random() < 0.4:
        found.append(f"  per_day: {chance.choice((1, 2))}")
        found.append(f"  again: {{after: [{chance.choice(('filled', 'unfilled', 'filled, unfilled'))}], wait: 3m}}")
    return found


def _looks(chance: Random, window: str) -> list[str]:
    """Return at which moments of its window a bot of one day looks, and whether it enters again."""
    begin, end = (60 * int(clock[:2]) + int(clock[3:]) - 570 for clock in window.split('"')[1::2])
    found = []
    if chance.random() < 0.3:
        found.append(f"  every: {chance.choice(('45s', '1m', '7m', '40s', '3m', '25s'))}")
    if chance.random() < 0.3:
        wait = chance.choice((", wait: 0s", "", ", wait: 3m", ", wait: 20s"))
        most = chance.choice(("", ", at_most: 2"))
        until = chance.choice(("", "", f", until: {_clock(min(begin + 12, end))}"))
        found.append(f"  again: {{after: [{chance.choice(('unfilled', 'any'))}]{wait}{most}{until}}}")
    return found


def _exits_of_days(chance: Random, price: str, shorts: bool) -> list[str]:
    """Return exits of a position that is held over nights: no time of day ends it."""
    found = [each for each in _exits(chance, price, shorts) if "time:" not in each]
    if chance.random() < 0.5:
        found.append(f"  - position_delta: {{beyond: {chance.choice((12, 30))}}}\n    name: tilted")
    if chance.random() < 0.4:
        found.append(f"  - time_in_trade: {{at_least: {chance.choice((5, 26))}h}}\n    name: long")
    if chance.random() < 0.3:
        found.append("  - sessions_in_trade: {at_least: 1}\n    name: next_day")
    return [*found, chance.choice(("  - dte: {at_most: 0}", "  - at_expiry: settle"))]


def _risk(chance: Random, legs: list[str]) -> list[str]:
    found = []
    if len(legs) == 1 and "sell" in legs[0]:
        found.append("  undefined_risk: allow")
    has_bound = not found or "sell: put" in legs[0]
    if has_bound and (chance.random() < 0.6 or found):
        found.append(f"  max_loss_per_trade: ${chance.choice((400, 800, 950, 1500, 700000))}")
    if chance.random() < 0.2:
        found.append(f"  daily_loss: ${chance.choice((100, 500))}")
    return ["risk:", *(found or ["  max_loss_per_trade: $5000"])]
