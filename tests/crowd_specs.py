"""Random crowds: bots that share a window, an underlying and strikes, and the limits of an account over all of them.

Legs of two bots net at the broker, what rests of one gives way to another, and limits on counts and on risk bite. All
of it happens within three quarters of an hour. All texts are valid, and the same for the same seed.
"""

from pathlib import Path
from random import Random
from typing import NamedTuple

STARTS = (0, 0, 1, 2, 5)
"""Minutes after the hour at which bots begin: most together."""
KINDS = ("combo", "combo", "combo", "single", "single", "rolling", "chosen")


class Crowd(NamedTuple):
    """The texts of some bots by their names, and the account document, "" for none."""

    texts: dict[str, str]
    account: str

    def written(self, folder: Path) -> tuple[list[str], Path | None]:
        """Write the documents into a folder; return the paths of the bots, and of the account document if any."""
        files = [folder / f"{name}.yaml" for name in self.texts]
        for file, text in zip(files, self.texts.values(), strict=True):
            file.write_text(text, encoding="utf-8")
        account = folder / "account.yaml"
        if self.account:
            account.write_text(self.account, encoding="utf-8")
        return [str(file) for file in files], account if self.account else None


class _Legs(NamedTuple):
    lines: list[str]
    is_credit: bool

    @property
    def is_bare(self) -> bool:
        """True for a short option that nothing covers."""
        return self.is_credit and len(self.lines) == 1

    @property
    def has_sides(self) -> bool:
        """True for puts and calls."""
        return {"put", "call"} <= {line.partition(":")[0].partition("_")[2] for line in self.lines}


def crowd(seed: int, *, symbols: tuple[str, ...] = ("SPX", "SPX", "SPX", "SPY"), has_universe: bool = True) -> Crowd:
    """Return two to four bots that enter soon after ten, and what they may do together.

    symbols: one of them is what all are on. has_universe: some are on SPY and QQQ, one after the other.
    """
    chance = Random(f"crowd {seed}")
    symbol = chance.choice(symbols)
    names = [f"bot_{letter}" for letter in "abcd"[: chance.choice((2, 3, 4))]]
    strikes = _strikes(chance, symbol)
    kinds = (*KINDS, "universe") if has_universe else KINDS
    texts = {name: _bot(chance, name, chance.choice(kinds), symbol, strikes, names) for name in names}
    return Crowd(texts, _account(chance) if chance.random() < 0.85 else "")


def _strikes(chance: Random, symbol: str) -> list[str]:
    """Return two ways to choose strikes, which all bots share, so that many come to the same."""
    unit, multiple = (1.0, 25) if symbol == "SPX" else (0.1, 5)
    found = (
        f"otm: {unit * chance.choice((10, 20, 30)):g} pts, round_to: {multiple}",
        f"otm: {unit * chance.choice((10, 20, 30, 40)):g} pts",
        f"delta: {chance.choice((0.1, 0.2, 0.3))}",
        "at: spot",
        f"at: spot, round_to: {multiple}",
    )
    return chance.sample(found, 2)


def _bot(chance: Random, name: str, kind: str, symbol: str, strikes: list[str], names: list[str]) -> str:
    where = f"underlying: {symbol}"
    if kind == "universe":
        where = f"universe: {{symbols: [SPY, QQQ]{chance.choice(('', ', rank: {by: iv, highest: 1}'))}}}"
        symbol, strikes = "SPY", ["otm: 1%", "at: spot"]
    if kind == "rolling":
        legs, exits, rests = _rolling(chance, symbol, strikes)
    else:
        legs = _legs(chance, symbol, strikes, is_single=kind == "single")
        exits, rests = _exits(chance, legs, [each for each in names if each != name])
    block, order = [f"  {line}" for line in legs.lines], _ladder(chance, "cancel")
    quantity, risk = _quantity(chance, legs), _risk(chance, legs, rests=rests)
    if kind == "chosen":
        block = _chosen(chance, legs, _legs(chance, symbol, strikes, is_single=False))
        exits = ["  - target: {profit: 20%}", "  - stop: {loss: 40%}", exits[-1]]
        quantity, risk = "1", ["  undefined_risk: allow"]
    elif kind == "combo" and len(legs.lines) > 1 and chance.random() < 0.15:
        one_by_one = sorted((line.partition(":")[0] for line in legs.lines), key=lambda leg: leg.startswith("short"))
        order = f"{{start: mid, step: 0.05, wait: 5s, tries: 6, then: unwind, leg_by_leg: [{', '.join(one_by_one)}]}}"
    return "\n".join(
        [
            "rulebot: 1",
            f"name: {name}",
            "about: Does beside others what chance has written.",
            where,
            f"quantity: {quantity}",
            "entry:",
            *_entry(chance, [each for each in names if each != name]),
            "legs:",
            f"  expiry: {{dte: {'{at_least: 0}' if kind == 'universe' else 0}}}",
            f"  on_conflict: {chance.choice(('allow', 'allow', 'skip', 'shift'))}",
            *block,
            f"order: {order}",
            "exits:",
            *exits,
            f"exit_order: {_ladder(chance, chance.choice(('market', 'again')))}",
            "risk:",
            *risk,
            "",
        ]
    )


def _clock(minutes: int) -> str:
    return f'"10:{minutes:02d}"'


def _entry(chance: Random, others: list[str]) -> list[str]:
    start = chance.choice(STARTS)
    if chance.random() < 0.3:
        times = (start, start + 12) if chance.random() < 0.4 else (start,)
        found = [f"  at: [{', '.join(map(_clock, times))}]", "  for: 5m"]
    else:
        found = [f"  window: {{from: {_clock(start)}, to: {_clock(start + chance.choice((3, 10, 20)))}}}"]
    found += [f"  per_day: {chance.choice((1, 2, 3))}", f"  max_open: {chance.choice((1, 2))}"]
    if chance.random() < 0.25:
        found.append(f"  every: {chance.choice(('15s', '45s', '1m'))}")
    if chance.random() < 0.5:
        after, wait = chance.choice(("filled", "unfilled", "any", "any")), chance.choice(("0s", "10s", "1m"))
        found.append(f"  again: {{after: [{after}], wait: {wait}, at_most: 4}}")
    if chance.random() < 0.15:
        found.append(f"  when: [{{bot: {{called: {chance.choice(others)}, is: {chance.choice(('open', 'flat'))}}}}}]")
    return found


def _legs(chance: Random, symbol: str, strikes: list[str], *, is_single: bool) -> _Legs:
    wing = f"{chance.choice((5, 10, 25) if symbol == 'SPX' else (1, 2, 5))} pts"
    strike, right = chance.choice(strikes), chance.choice(("put", "call"))
    if is_single:
        is_sold = chance.random() < 0.6
        side, verb = ("short", "sell") if is_sold else ("long", "buy")
        return _Legs([f"{side}_{right}: {{{verb}: {right}, strike: {{{strike}}}}}"], is_sold)
    shape = chance.choice(("spread", "spread", "bought", "condor", "strangle"))
    if shape == "strangle":
        return _Legs([f"long_{each}: {{buy: {each}, strike: {{{strike}}}}}" for each in ("put", "call")], False)
    if shape == "bought":
        away = "below" if right == "put" else "above"
        near = f"long_{right}: {{buy: {right}, strike: {{{strike}}}}}"
        return _Legs([near, f"short_{right}: {{sell: {right}, strike: {{{away}: long_{right}, by: {wing}}}}}"], False)
    sides = ("put", "call") if shape == "condor" else (right,)
    return _Legs([leg for side in sides for leg in _side(side, strike, wing)], True)


def _side(right: str, strike: str, wing: str) -> tuple[str, str]:
    away = "below" if right == "put" else "above"
    short = f"short_{right}: {{sell: {right}, strike: {{{strike}}}}}"
    return short, f"long_{right}: {{buy: {right}, strike: {{{away}: short_{right}, by: {wing}}}}}"


def _chosen(chance: Random, *choices: _Legs) -> list[str]:
    vix = chance.choice(("above: 14", "above: 16", "below: 16"))
    found = ["  choose:"]
    for number, legs in enumerate(choices):
        when = [f"      when: [{{vix: {{{vix}}}}}]"] if not number else []
        found += [f"    - name: choice_{number}", *when, *(f"      {line}" for line in legs.lines)]
    return found


def _ladder(chance: Random, then: str) -> str:
    start, wait, tries = chance.choice(("mid", "mid", "natural")), chance.choice((2, 5, 10)), chance.choice((2, 4, 8))
    return f"{{start: {start}, step: 0.05, wait: {wait}s, tries: {tries}, then: {then}}}"


def _exits(chance: Random, legs: _Legs, others: list[str]) -> tuple[list[str], bool]:
    """Return the exits of legs, and whether some rest at the broker."""
    found, rests = [], len(legs.lines) == 1 and chance.random() < 0.4
    resting = "\n    resting: true" if rests else ""
    if rests or chance.random() < 0.5:
        found.append(f"  - target: {{profit: {chance.choice((5, 20, 50))}%}}{resting}")
    if chance.random() < 0.6:
        each = ", of: each_side" if legs.has_sides and legs.is_credit and chance.random() < 0.5 else ""
        credit = f"cost: {chance.choice((1.2, 1.5, 2))}x credit{each}" if legs.is_credit and not rests else ""
        found.append(f"  - stop: {{{credit or f'loss: {chance.choice((10, 30, 80))}%'}}}{resting}")
    if not rests and chance.random() < 0.25:
        found.append(f"  - {chance.choice(('profit: {at_least: 2%}', 'loss: {at_least: 30%}'))}\n    close: 50%")
    if chance.random() < 0.4:
        found.append(f"  - time_in_trade: {{at_least: {chance.choice(('20s', '2m', '5m'))}}}")
    if chance.random() < 0.15:
        held = f"bot: {{called: {chance.choice(others)}, is: {chance.choice(('flat', 'open'))}}}"
        found.append(f"  - name: follows\n    all: [{{{held}}}, {{time_in_trade: {{at_least: 1m}}}}]")
    chance.shuffle(found)
    last = chance.choice((f"time: {_clock(chance.choice((25, 30, 40)))}", 'time: "15:45"', "at_expiry: settle"))
    return [*found, f"  - {last}"], rests


def _rolling(chance: Random, symbol: str, strikes: list[str]) -> tuple[_Legs, list[str], bool]:
    wing, is_condor = ("10 pts" if symbol == "SPX" else "2 pts"), chance.random() < 0.4
    sides = ("put", "call") if is_condor else ("put",)
    legs = _Legs([leg for side in sides for leg in _side(side, chance.choice(strikes), wing)], True)
    other = f"strikes: {{short_put: {{{chance.choice(strikes)}}}, long_put: {{below: short_put, by: {wing}}}}}"
    later = "expiry: {dte: {at_least: 1}}"
    terms = chance.choice((later, other, f"{later}, {other}")) + chance.choice(("", ", else: close"))
    onward = [
        "  - name: onward",
        f"    all: [{{time_in_trade: {{at_least: {chance.choice((1, 3, 6))}m}}}}, {{dte: {{at_most: 0}}}}]",
        *(["    close: put_side"] if is_condor else []),
        f"    roll: {{{terms}}}",
    ]
    target = ["  - target: {profit: 20%}"] if chance.random() < 0.4 else []
    return legs, [*onward, *target, f"  - time: {_clock(chance.choice((30, 40)))}"], False


def _quantity(chance: Random, legs: _Legs) -> str:
    kind = 0.0 if legs.is_bare else chance.random()
    if kind < 0.6:
        return f"{chance.choice((1, 1, 2, 3))}"
    if kind < 0.8:
        return f"{{max_loss: {chance.choice(('$1500', '$4000', '0.002x net_liquidation'))}, at_most: 4}}"
    return f"{{{'credit' if legs.is_credit else 'debit'}: $800, at_most: 3}}"


def _risk(chance: Random, legs: _Legs, *, rests: bool) -> list[str]:
    limit = f"  max_loss_per_trade: ${chance.choice((2_000, 6_000, 20_000))}"
    found = ["  undefined_risk: allow" if legs.is_bare else limit]
    if chance.random() < 0.3:
        found.append(f"  {chance.choice(('daily_loss: $60', 'daily_loss: $200', 'daily_profit: $40'))}")
    if legs.is_credit and not rests and chance.random() < 0.3:
        found.append(f"  protect: {{cost: {chance.choice((3, 5))}x credit}}")
    if chance.random() < 0.2:
        required = chance.choice(("net_delta: {between: [-80, 80]}", "worst_case: {at_most: $3000}"))
        found.append(f"  require: [{{{required}}}]")
    if chance.random() < 0.15:
        closing = chance.choice(("", ", close: all"))
        found.append(f"  halt_when: [{{vix_spike: {{above: {chance.choice((0.2, 1))} pts}}{closing}}}]")
    return found


def _account(chance: Random) -> str:
    limits = (
        f"daily_loss: ${chance.choice((50, 150, 400))}",
        f"daily_profit: ${chance.choice((30, 100, 300))}",
        f"max_open: {chance.choice((1, 1, 2, 3))}",
        f"orders_per_minute: {chance.choice((1, 2, 4))}",
        f"entries_per_day: {chance.choice((1, 2, 3, 5))}",
        f"max_contracts_per_order: {chance.choice((2, 4, 8))}",
        f"price_band: {chance.choice(('0.05', '5%', '0.25'))}",
        f"cash_secured_puts: {chance.choice(('cash', 'net_liquidation'))}",
    )
    required = (
        f"worst_case: {{at_most: {chance.choice(('$2500', '$6000', '0.003x net_liquidation'))}}}",
        f"margin: {{at_most: {chance.choice(('$20000', '0.3x net_liquidation'))}}}",
        f"net_delta: {{between: [-{chance.choice((30, 100))}, 100]}}",
        "net_vega: {at_least: -$300}",
        'name: early\n      any: [{net_theta: {at_most: $100}}, {not: {time: "10:06"}}]',
    )
    asked = chance.sample(required, chance.choice((0, 0, 1, 2)))
    return "\n".join(
        [
            "rulebot_account: 1",
            "about: What these may do together.",
            "account: DU1234567",
            "risk:",
            *(f"  {each}" for each in chance.sample(limits, chance.choice((1, 1, 2, 3)))),
            *(["  require:"] if asked else []),
            *(f"    - {each}" for each in asked),
            "",
        ]
    )
