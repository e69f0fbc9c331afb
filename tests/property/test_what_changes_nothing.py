"""What must not change what a bot does: names, order, other bots and a reload of these, rules that never matter.

Two texts are lived through on the same past sessions, and each order, fill, entry, exit and halt is compared.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pytest
from both_ways import FIRST, calendar
from hand_desk import bot_of
from past_days import Leaps, PastDays, with_spy
from plain_specs import calm_spec, random_spec
from tries import tries

from rulebot.backtest.fast_forward import FastForward
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.core.handle_event import reload
from rulebot.core.program import AccountLimits, Program
from rulebot.core.session.reloading import changes_between, not_quiet
from rulebot.model.session import session_on
from rulebot.record.record import Kind, Record
from rulebot.spec.yaml import read_source

Tree = dict[str, Any]
Names = Mapping[str, str]
"""Names in the other text, and what stands there in the first."""
SOURCES = tuple(kind(strikes=40, expiries=3, seed=3, change=with_spy) for kind in (PastDays, Leaps))
BUSY = (1, 6, 12, 46, 15, 43, 14, 49, 20, 42, 29, 59)
"""Numbers of bots that enter and leave on the first session: by targets, stops, deltas, the clock; some halt."""
LEGS = re.compile(r"\b(short|long)_(put|call)\b")
REPORTED = ("enter", "exit", "halt", "armed")


def text_of(seed: int) -> str:
    """Return the text of a random bot; others may hold what it trades, the other way round too."""
    text = (calm_spec, random_spec, lambda n: random_spec(n, dte=1))[seed % 3](seed)
    if "on_conflict" not in text:
        return text.replace("legs:\n", "legs:\n  on_conflict: allow\n", 1)
    return text.replace("on_conflict: skip", "on_conflict: allow")


def some(count: int) -> list[int]:
    """Return numbers of bots, busy ones first."""
    return [*BUSY, *range(100, 100 + tries(count))][: tries(count)]


def tree_of(text: str) -> Tree:
    tree = read_source(text.encode(), "plain.yaml").tree
    assert isinstance(tree, dict)
    return dict(tree)


def written(tree: Tree) -> str:
    return json.dumps(tree, default=float)


def walk_of(texts: Iterable[str], seed: int) -> BacktestSimulation:
    bots = {bot.plan.name: bot for bot in map(bot_of, texts)}
    program = Program(bots=bots, pinned={}, limits=AccountLimits(), install="t", line_limit=5_000)
    return BacktestSimulation(program, SOURCES[seed % 2], calendar(), fill_model(("mid", "natural")[seed % 2]), CASH)


def simulated(walk: BacktestSimulation) -> list[Record]:
    return [record for done in walk.through(FIRST, FIRST) for record in done.records]


def did(records: Iterable[Record], bot: str = "plain", names: Names | None = None) -> list[str]:
    """Return what a bot did, instant by instant; what came at the same one in one order, and by the first names."""
    found = [f"{record.at} {what}" for record in records if record.bot == bot and (what := done_in(record))]
    for name, first in (names or {}).items():
        found = [re.sub(rf"\b{name}\b", first, each) for each in found]
    return sorted(found)


@cache
def did_alone(seed: int) -> list[str]:
    return did(simulated(walk_of([text_of(seed)], seed)))


def done_in(record: Record) -> str:
    data = record.data
    if record.kind is Kind.FILL:
        return f"{data['contract']} {data['is_buy']} {data['quantity']} at {data['price']}: {data['purpose']}"
    if record.kind is Kind.DECISION and data["what"] in REPORTED:
        return f"{data['what']} {data['reason'] if data['what'] == 'exit' else ''}"
    if record.is_leaving:
        return f"{data['side']} {data['quantity']} at {data['limit_price']}: {data['purpose']}"
    return ""


# ---------------------------------------------------------------- the same in other words


def in_another_order(tree: Tree, chance: Random) -> Names:
    """Let legs, conditions and members of groups stand in another order."""
    tree["legs"] = {name: tree["legs"][name] for name in chance.sample(list(tree["legs"]), len(tree["legs"]))}
    for rules in (tree["entry"].get("when", []), tree["legs"].get("require", []), tree["risk"].get("halt_when", [])):
        for rule in rules:
            if "any" in rule:
                chance.shuffle(rule["any"])
        chance.shuffle(rules)
    return {}


def renamed(tree: Tree, chance: Random) -> Names:
    """Call the bot and its legs otherwise, so that other names come first in the alphabet."""
    others = dict(zip(sorted({found[0] for found in LEGS.finditer(written(tree))}), "zyxw", strict=False))
    text = LEGS.sub(lambda found: f"{others[found[0]]}_leg", written(tree))
    tree.clear()
    tree.update(json.loads(text), name="another")
    return {"another": "plain", **{f"{new}_leg": leg for leg, new in others.items()}}


def negated(tree: Tree, chance: Random) -> Names:
    """Say of VIX what it is not."""
    for rule in tree["entry"].get("when", []):
        if isinstance(rule.get("vix"), dict) and "between" in rule["vix"]:
            ends = rule.pop("vix")["between"]
            rule.update({"name": "vix", "not": {"vix": {"outside": ends}}})
    return {}


def with_defaults(tree: Tree, chance: Random) -> Names:
    """Write out what is meant where nothing is said."""
    tree.setdefault("quantity", 1)
    tree["entry"] = {"per_day": 1, "max_open": 1, "try": "until_filled", **tree["entry"]}
    for leg in tree["legs"].values():
        if isinstance(leg, dict) and "strike" in leg:
            leg.setdefault("ratio", 1)
    return {}


def with_parameters(tree: Tree, chance: Random) -> Names:
    """Let names stand for numbers."""
    order, window = tree["order"], tree["entry"]["window"]
    tree["parameters"] = {"wait": order["wait"], "tries": order["tries"], "begins": window["from"]}
    order.update({"wait": "$wait", "tries": "$tries"})
    window["from"] = "$begins"
    return {}


def with_rules_that_never_matter(tree: Tree, chance: Random) -> Names:
    """Add a filter that always holds, an exit and a halt that never do, and an exit for the second time."""
    always = chance.choice(({"vix": {"above": 0}}, {"time": "09:30"}, {"expr": "1 < vix"}))
    never = chance.choice(({"vix": {"above": 900}}, {"spot": {"below": 1}}, {"time_in_trade": {"above": "900h"}}))
    tree["entry"].setdefault("when", []).insert(0, {"name": "always", **always})
    tree["risk"].setdefault("halt_when", []).append({"name": "never_halts", "vix": {"above": 900}})
    last = {**tree["exits"][-1], "name": "once_more"}
    tree["exits"] = [{"name": "never", **never}, *tree["exits"], last]
    return {}


WAYS: tuple[Callable[[Tree, Random], Names], ...] = (
    in_another_order, renamed, negated, with_defaults, with_parameters, with_rules_that_never_matter,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_same_in_other_words_does_the_same(way: Callable[[Tree, Random], Names]) -> None:
    acts = 0
    for seed in some(4):
        tree = deepcopy(tree_of(text_of(seed)))
        names = way(tree, Random(seed))
        first = did_alone(seed)
        other = did(simulated(walk_of([written(tree)], seed)), tree["name"], names)
        assert other == first, f"seed {seed}"
        acts += len(first)
    assert acts > 20


# ---------------------------------------------------------------- other bots


def others_of(seed: int, count: int) -> list[str]:
    """Return other bots, which share no limit with the first one."""
    return [text_of(100 * seed + each).replace("name: plain", f"name: other{each}") for each in range(count)]


def test_a_bot_does_the_same_among_others() -> None:
    for seed in some(3):
        text = text_of(seed)
        among = others_of(seed, 4)
        assert did(simulated(walk_of([*among[:2], text, *among[2:]], seed))) == did_alone(seed), f"seed {seed}"


def reloading(walk: BacktestSimulation, at: datetime, texts: Iterable[str]) -> None:
    """Let other texts be taken up at the first quiet point after an instant."""
    bots = {bot.plan.name: bot for bot in map(bot_of, texts)}
    step = walk._step

    def stepped(*reported: Any) -> None:
        step(*reported)
        was, now = ({name: bot.plan.digest for name, bot in each.items()} for each in (walk.program.bots, bots))
        changes = changes_between(was, now)
        assert walk.state is not None
        if walk.now < at or not changes or not_quiet(walk.program, walk.state, [each.bot for each in changes]):
            return
        pinned = {**walk.program.pinned, **{bot.plan.digest: bot for bot in walk.program.bots.values()}}
        walk.program = replace(walk.program, bots=bots, pinned=pinned)
        walk._took(reload(walk.program, walk.state, walk.now, changes))
        assert walk.feed.market is not None
        walk.quiet = FastForward(walk.program, walk.feed.market)

    walk._step = stepped  # type: ignore[method-assign]


def test_a_reload_of_other_bots_changes_nothing() -> None:
    session = session_on(FIRST)
    assert session is not None
    taken_up = 0
    for seed in some(4):
        text = text_of(seed)
        goes, comes = others_of(seed, 2)
        walk = walk_of([goes, text], seed)
        reloading(walk, session.open.replace(hour=15), [text, comes])
        records = simulated(walk)
        taken_up += sum(record.kind is Kind.RELOAD for record in records)
        assert did(records) == did_alone(seed), f"seed {seed}"
    assert taken_up == len(some(4)) * 2


def test_another_layout_is_no_other_text() -> None:
    """So `rulebot reload` finds nothing to do."""
    for seed in range(tries(10)):
        text = text_of(seed)
        upside_down = dict(reversed(tree_of(text).items()))
        other = f"# a comment\n\n{written(upside_down)}  # and another\n"
        assert bot_of(other).plan.digest == bot_of(text).plan.digest


# ---------------------------------------------------------------- more and less


def first_entry(text: str, seed: int) -> datetime | None:
    walk = walk_of([text], seed)
    (done,) = walk.through(FIRST, FIRST)
    entered = (each.at for each in done.records if each.kind is Kind.DECISION and each.data["what"] == "enter")
    return next(entered, None)


def test_a_filter_more_lets_no_entry_come_sooner_and_more_at_once_changes_no_first_one() -> None:
    filters: tuple[Tree, ...] = ({"move": {"above": "0.05%"}}, {"vix": {"below": Decimal("18.1")}}, {"time": "10:40"})
    entries = 0
    for seed in some(4):
        text, strict, wide = text_of(seed), tree_of(text_of(seed)), tree_of(text_of(seed))
        strict["entry"] = {**strict["entry"], "when": [*strict["entry"].get("when", [])]}
        strict["entry"]["when"].append({"name": "strict", **filters[seed % 3]})
        wide["entry"] = {**wide["entry"], "max_open": 9}
        first, later = first_entry(text, seed), first_entry(written(strict), seed)
        assert later is None or (first is not None and later >= first), f"seed {seed}"
        assert first_entry(written(wide), seed) == first, f"seed {seed}"
        entries += first is not None
    assert entries
