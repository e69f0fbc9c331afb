"""Every edit that looks harmless and is not: it is marked, at its place, with the words that say why."""

from functools import lru_cache

import pytest

from rulebot.review.change.compare import compare_bots
from rulebot.review.change.field import Bot, Change, Difference
from rulebot.spec.load import load_text
from tests.unit.compile.document import CONDOR

PUT = """\
rulebot: 1
name: put
about: A single short put with orders at the broker.
underlying: SPX
entry: {at: ["10:00", "12:00"], max_open: 2}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10, within: 0.02}}
  require:
    - credit: {at_least: 1.00}
order: {start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}
exits:
  - target: {profit: 50%}
    resting: true
  - stop: {cost: 2x credit}
    resting: true
  - time: "15:30"
risk:
  undefined_risk: allow
"""


@lru_cache(maxsize=200)
def bot(text: str) -> Bot:
    loaded = load_text(text)
    assert loaded.spec is not None, [found.message for found in loaded.diagnostics]
    return Bot(loaded, loaded.spec)


def compared(old: str, new: str) -> Difference:
    return compare_bots(bot(old), bot(new))


def edited(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def change_at(found: Difference, path: str) -> Change:
    changes = {change.path: change for change in found.changes}
    assert path in changes, sorted(changes)
    return changes[path]


STOP = "  - stop: {loss: $50}\n    confirm: 2 quotes\n"
BREACH = "  - breach: {spot_within: 5 pts}\n"


ROWS = [
    # a word for another, told by prices or sentences
    (
        "stop: {loss: $50}",
        "stop: {cost: 2x credit}",
        "exits.stop",
        "0.50 sold: bought back at 0.95, -$55 -> bought back at 1.00",
    ),
    ("stop: {loss: $50}", "stop: {loss: $80}", "exits.stop", "bought back at 0.95, -$55 -> bought back at 1.25, -$85"),
    (
        "target: {profit: 50%}",
        "target: {profit: 80%}",
        "exits.target",
        "bought back at 0.25 or better, +$15 -> bought back at 0.10 or better",
    ),
    ("credit: {at_least: 0.50}", "credit: {at_most: 0.50}", "legs.require.credit", "which of the two holds more often"),
    ("vix_change: {below: 3 pts}", "vix_change: {above: 3 pts}", "entry.when.vix_change", "which of the two"),
    ("vix: {between: [12, 22]}", "vix: {between: [12, 30]}", "entry.when.vix", "entries that it kept out are made"),
    ("    - vix: {between: [12, 22]}\n", "", "entry.when.vix", "enters also when this does not hold"),
    ("below: 0.6x day_move", "below: 0.8x day_move", "entry.when.day_range", "entries that it kept out are made"),
    (
        "day_range: {below: 0.6x day_move}",
        'expr: "day_range < day_move"\n      name: day_range',
        "entry.when.day_range",
        "",
    ),
    # exits: moved, gone, later, on less
    (STOP, STOP + "    close: 50%\n", "exits.stop.close", "the rest can lose more"),
    (
        "step: 0.05, ",
        "",
        "order.step",
        "a closing order goes no further than mid: it may never be filled, and meanwhile a loss runs on",
    ),
    (STOP, STOP + "    enabled: false\n", "exits.stop.enabled", "a loss runs on to the worst case, $963"),
    (STOP, "", "exits.stop", "a loss runs on to the worst case, $963; the rest: time, breach, target"),
    (BREACH, "", "exits.breach", "it no longer leaves when this holds"),
    ("spot_within: 5 pts", "spot_within: 2 pts", "exits.breach", "a position is kept longer"),
    ("    confirm: 2 quotes\n", "", "exits.stop.confirm", "one broken quote can now close a position"),
    ("confirm: 2 quotes", "confirm: 5 quotes", "exits.stop.confirm", "until then a loss runs on"),
    ('time: "15:30"', 'time: "15:55"', "exits.time", "5 minutes before the close; half days 12:55"),
    (BREACH, BREACH + "    order: market\n", "exits.breach.order", "no price bounds it"),
    # more at once, more often
    ("underlying: SPX\n", "underlying: SPX\nquantity: 2\n", "quantity", "stop $50 is $50 -> $25 a structure"),
    (
        "underlying: SPX\n",
        "underlying: SPX\nquantity: {max_loss: $3000, at_most: 5}\n",
        "quantity",
        "worst case of a trade $963 -> $1,000",
    ),
    ("per_day: 1", "per_day: 3", "entry.per_day", "a day's worst case $963 -> $2,889"),
    ("per_day: 1", "per_day: 1\n  max_open: 3", "entry.max_open", "all open at once $963 -> $2,889"),
    ('to: "13:30"', 'to: "14:30"', "entry.window", "60 minutes more in which it may enter"),
    ("per_day: 1", "per_day: 2\n  again: {after: [stop]}", "entry.again", "more than one entry"),
    # worse prices
    ("start: mid", "start: natural", "order.start", "worst price 0.25 from mid"),
    ("tries: 6", "tries: 12", "order.tries", "0.25 from mid, at most natural"),
    ("step: 0.05", "step: 0.10", "order.step", "exits leave by the same ladder"),
    (
        "credit: {at_least: 0.50}",
        "credit: {at_least: 0.30}",
        "legs.require.credit",
        "may be sold at 0.30, before at 0.50; worst case of a trade $963 -> $983",
    ),
    # legs
    (
        "short_call: {sell: call, strike: {delta: 0.10}}",
        "short_call: {sell: call, strike: {delta: {at_least: 0.10}}}",
        "legs.short_call.strike",
        "chosen in another way",
    ),
    (
        "short_call: {sell: call, strike: {delta: 0.10}}",
        "short_call: {sell: call, strike: {delta: 0.10, round: toward}}",
        "legs.short_call.strike.round",
        "the short strike nearer to the money where it is between two",
    ),
    ("expiry: {dte: 0}", "expiry: {dte: {at_most: 1}}", "legs.expiry", "held over no night -> expires up to 1 night"),
    (
        "short_call: {sell: call, strike: {delta: 0.10}}",
        "short_call: {sell: call, strike: {delta: 0.20}}",
        "legs.short_call.strike",
        "nearer to the money",
    ),
    (
        "below: short_put, by: 10 pts",
        "below: short_put, by: 25 pts",
        "legs.long_put.strike",
        "worst case of a trade $963 -> ",
    ),
    (
        ", min_otm_distance: $floor",
        ", min_otm_distance: 20 pts",
        "legs.short_put.strike.min_otm_distance",
        "nearer to spot",
    ),
    ("  require:\n", "  on_conflict: allow\n  require:\n", "legs.on_conflict", "the broker nets contracts"),
    ("  require:\n", "  on_conflict: shift\n  require:\n", "legs.on_conflict", "another strike, further out"),
    ("{floor: 30 pts}", "{floor: 20 pts}", "parameters.floor", "reaches legs.short_put.strike.min_otm_distance"),
    (
        "target: {profit: 50%}",
        "target: {profit: 50%}\n    any_price: true",
        "exits.target.any_price",
        "it may keep less",
    ),
    # limits and names
    ("max_loss_per_trade: $1000", "max_loss_per_trade: $2000", "risk.max_loss_per_trade", "it refused are made"),
    ("name: condor", "name: eagle", "name", "stays with condor"),
    ("  - stop: {loss: $50}", "  - stop: {loss: $50}\n    name: hard_stop", "exits.hard_stop", "stays under 'stop'"),
]


@pytest.mark.parametrize(("old", "new", "path", "words"), ROWS, ids=[f"{row[2]}-{at}" for at, row in enumerate(ROWS)])
def test_it_is_marked(old: str, new: str, path: str, words: str) -> None:
    text = edited(CONDOR, (old, new))
    if "$floor" not in text:
        text = text.replace("parameters: {floor: 30 pts}\n", "")
    change = change_at(compared(CONDOR, text), path)
    assert words in change.words
    assert change.is_worse


BACK = [
    ("stop: {loss: $80}", "stop: {loss: $50}", "exits.stop"),
    ("vix: {between: [12, 30]}", "vix: {between: [12, 22]}", "entry.when.vix"),
    ('time: "15:55"', 'time: "15:30"', "exits.time"),
    ("tries: 12", "tries: 6", "order.tries"),
    ("per_day: 3", "per_day: 1", "entry.per_day"),
    ("expiry: {dte: {at_most: 1}}", "expiry: {dte: 0}", "legs.expiry"),
    ("max_loss_per_trade: $2000", "max_loss_per_trade: $1000", "risk.max_loss_per_trade"),
    ("spot_within: 2 pts", "spot_within: 5 pts", "exits.breach"),
    ("underlying: SPX\nquantity: 2\n", "underlying: SPX\n", "quantity"),
]


@pytest.mark.parametrize(("old", "new", "path"), BACK, ids=[row[2] for row in BACK])
def test_the_way_back_is_not(old: str, new: str, path: str) -> None:
    was = edited(CONDOR, (new, old))
    assert not change_at(compared(was, CONDOR), path).is_worse


def test_an_exit_of_a_part_that_acts_later_or_sooner() -> None:
    """Its price on the example is that of the whole: it is told by how often it holds."""
    part = edited(CONDOR, ("target: {profit: 50%}\n", "target: {profit: 50%}\n    close: 50%\n"))
    later = part.replace("profit: 50%", "profit: 60%")
    change = change_at(compared(part, later), "exits.target")
    assert (change.words, change.is_worse) == ("it holds less often: a position is kept longer", True)
    back = change_at(compared(later, part), "exits.target")
    assert (back.words, back.is_worse) == ("it holds more often: leaves sooner", False)


def test_a_longer_window_of_a_bot_that_enters_on_some_week_days() -> None:
    some = edited(CONDOR, ("  per_day: 1\n", "  per_day: 1\n  days: [mon]\n"))
    change = change_at(compared(some, edited(some, ('to: "13:30"', 'to: "13:40"'))), "entry.window")
    assert (change.words, change.is_worse) == ("10 minutes more in which it may enter", True)


def test_a_larger_and_a_smaller_budget() -> None:
    old = edited(CONDOR, ("underlying: SPX\n", "underlying: SPX\nquantity: {max_loss: $900, at_most: 5}\n"))
    larger = change_at(compared(old, old.replace("$900", "$950")), "quantity")
    assert larger.is_worse
    assert "worst case of a trade $900 -> $950" in larger.words
    assert not change_at(compared(old.replace("$900", "$950"), old), "quantity").is_worse
    assert change_at(compared(old, old.replace("at_most: 5", "at_most: 6")), "quantity").is_worse
    assert change_at(compared(old, old.replace("max_loss: $900", "credit: $900")), "quantity").is_worse


def test_a_days_worst_case_is_reported_of_its_limit_only_where_that_bounds_it() -> None:
    """What another edit did to a day's worst case stood beside the limit, as if that had done it."""
    old = edited(CONDOR, ("max_loss_per_trade: $1000", "max_loss_per_trade: $1000\n  daily_loss: $500"))
    new = edited(old, ("per_day: 1", "per_day: 2"), ("$500", "$700"))
    assert change_at(compared(old, new), "risk.daily_loss").words == "it still enters after larger losses"
    often = edited(old, ("per_day: 1", "per_day: 9\n  max_open: 1"))
    words = change_at(compared(often, edited(often, ("$500", "$600"))), "risk.daily_loss").words
    assert words == "it still enters after larger losses; a day's worst case $1,463 -> $1,563"


def test_a_larger_unit_of_risk_is_reported_at_the_limit() -> None:
    old = edited(CONDOR, ("max_loss_per_trade: $1000", "max_loss_per_trade: $1000\n  r: $50\n  daily_loss: 3R"))
    found = compared(old, old.replace("r: $50", "r: $80"))
    assert change_at(found, "risk.daily_loss").is_worse
    assert "it still enters after larger losses" in change_at(found, "risk.daily_loss").words
    assert not change_at(found, "risk.r").is_worse


def test_the_latest_of_the_expiries_that_qualify() -> None:
    old = edited(CONDOR, ("expiry: {dte: 0}", "expiry: {dte: {between: [20, 70]}}"))
    change = change_at(compared(old, old.replace("70]}}", "70]}, take: latest}")), "legs.expiry")
    assert change.is_worse
    assert "another expiry of those that qualify, later ones too" in change.words


def test_protection_that_goes() -> None:
    risk = "risk:\n  protect: {cost: 4x credit}\n  max_time_without_stop: 5s\n"
    found = compared(edited(CONDOR, ("risk:\n", risk)), CONDOR)
    assert "a dead engine leaves the short legs without a stop" in change_at(found, "risk.protect").words
    assert change_at(found, "risk.protect").is_worse
    assert change_at(found, "risk.max_time_without_stop").is_worse


def test_a_wider_protective_stop_is_worse() -> None:
    old = edited(CONDOR, ("risk:\n", "risk:\n  protect: {cost: 3x credit}\n"))
    change = change_at(compared(old, old.replace("3x credit", "5x credit")), "risk.protect")
    assert change.is_worse
    assert "short_put at 1.50, short_call at 1.50 -> short_put at 2.50" in change.words


def test_protection_by_another_credit_is_no_smaller_either_way() -> None:
    """Which of the two buys back sooner depends on the prices of the day."""
    texts = [
        edited(CONDOR, ("risk:\n", f"risk:\n  protect: {{cost: 3x credit{of}}}\n")) for of in ("", ", of: each_short")
    ]
    for pair in (texts, texts[::-1]):
        assert change_at(compared(*pair), "risk.protect").is_worse


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("", ", of: short_put", "a dead engine leaves short_call without a stop; "),
        (", of: each_short", ", of: short_put", "a dead engine leaves short_call without a stop; "),
        (", of: short_call", ", of: short_put", "a dead engine leaves short_call without a stop; "),
        (", of: short_call", None, "a dead engine leaves short_call without a stop: while none runs nothing acts"),
        (", of: short_call", ", of: each_short", ""),
    ],
)
def test_protection_of_fewer_legs(was: str, now: str | None, words: str) -> None:
    old, new = (
        CONDOR if of is None else edited(CONDOR, ("risk:\n", f"risk:\n  protect: {{cost: 3x credit{of}}}\n"))
        for of in (was, now)
    )
    change = change_at(compared(old, new), "risk.protect")
    assert (change.words.startswith(words), change.is_worse) == (True, bool(words)), change.words


def test_a_halt_that_goes_and_one_that_holds_less_often() -> None:
    old = edited(CONDOR, ("risk:\n", "risk:\n  halt_when:\n    - vix_spike: {above: 3 pts}\n"))
    assert change_at(compared(old, CONDOR), "risk.halt_when.vix_spike").is_worse
    assert change_at(compared(old, old.replace("3 pts}\n  max", "5 pts}\n  max")), "risk.halt_when.vix_spike").is_worse


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("3d", "1d", "entries that it kept out are made"),
        ("1d", "1s", "which of the two holds more often"),
        ("1d", "24h", "which of the two holds more often"),
    ],
)
def test_fewer_sessions_around_an_event(old: str, new: str, words: str) -> None:
    was = edited(CONDOR, ("vix: {between: [12, 22]}", f"no_event: {{of: [CPI], before: {old}}}"))
    change = change_at(compared(was, was.replace(f"before: {old}", f"before: {new}")), "entry.when.no_event")
    assert change.is_worse
    assert words in change.words


def test_any_for_all() -> None:
    group = "    - all:\n        - vix: {below: 20}\n        - gap: {beyond: 1%}\n      name: calm\n"
    old = edited(CONDOR, ("    - vix: {between: [12, 22]}\n", group))
    change = change_at(compared(old, old.replace("- all:", "- any:")), "entry.when.calm")
    assert change.is_worse
    assert " and " in change.old
    assert " or " in change.new


def test_all_for_any_in_an_exit() -> None:
    group = "  - any:\n      - vix: {above: 25}\n      - gap: {beyond: 1%}\n    name: red\n"
    old = edited(CONDOR, (BREACH, group))
    assert change_at(compared(old, old.replace("- any:", "- all:")), "exits.red").is_worse
    assert not change_at(compared(old.replace("- any:", "- all:"), old), "exits.red").is_worse


def test_an_exit_moved_says_both_orders() -> None:
    found = compared(CONDOR, edited(CONDOR, (BREACH, ""), (STOP, STOP + BREACH)))
    change = change_at(found, "exits")
    assert (change.old, change.new) == ("time, breach, target, stop", "time, target, stop, breach")
    assert (
        change.words
        == "another priority: when both hold at once, target acts where breach did, stop acts where breach did"
    )
    assert change.is_worse


def test_a_blind_quote() -> None:
    old = edited(CONDOR, (BREACH, BREACH + "    unknown: exit\n"))
    change = change_at(compared(old, CONDOR), "exits.breach.unknown")
    assert change.is_worse
    assert "a blind quote keeps the position open" in change.words
    words = change_at(compared(CONDOR, old), "exits.breach.unknown").words
    assert words.endswith("30 s without data close the position, at a limit: while a leg is not quoted nothing is sent")
    sure = edited(old, ("unknown: exit\n", "unknown: exit\n    order: market\n"))
    words = change_at(compared(CONDOR, sure), "exits.breach.unknown").words
    assert words.endswith("30 s without data close the position")
    longer = change_at(
        compared(old, edited(old, ("unknown: exit\n", "unknown: exit\n    grace: 2m\n"))), "exits.breach.grace"
    )
    assert longer.is_worse


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        (
            "  - stop: {cost: 2x credit}\n    resting: true\n",
            "  - stop: {cost: 2x credit}\n",
            "exits.stop.resting",
            "a dead engine no longer closes by it",
        ),
        ("  - stop: {cost: 2x credit}\n", "  - stop: {loss: 200%}\n", "exits.stop", "1.00 sold: bought back at 2.00"),
        ('at: ["10:00", "12:00"]', 'at: ["10:00", "11:00", "12:00"]', "entry.at", "1 more chance a day to enter"),
        (
            'at: ["10:00", "12:00"]',
            'window: {from: "10:00", to: "14:00"}',
            "entry.window",
            "230 minutes more in which it may enter",
        ),
        ("within: 0.02", "within: 0.05", "legs.short_put.strike.within", "a strike further from what was asked"),
        ('  - time: "15:30"\n', "  - at_expiry: settle\n", "exits.time", "held to its expiry"),
        ("at_least: 1.00", "at_least: 0.80", "legs.require.credit", "entries that it kept out are made"),
    ],
)
def test_of_a_short_put(old: str, new: str, path: str, words: str) -> None:
    change = change_at(compared(PUT, edited(PUT, (old, new))), path)
    assert change.is_worse
    assert words in change.words


def test_a_time_exit_that_is_gone_where_another_one_still_ends_the_day() -> None:
    last = '  - time: "15:30"\n'
    both = edited(PUT, (last, '  - {name: half, time: "14:00", close: 50%}\n' + last))
    words = change_at(compared(both, PUT), "exits.half").words
    assert "it no longer leaves at that time" in words
    assert "held to its expiry" not in words


def test_undefined_risk_added() -> None:
    spread = edited(
        PUT,
        ("  require:\n", "  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n  require:\n"),
        ("    resting: true\n", ""),
        ("    resting: true\n", ""),
    )
    old = edited(spread, ("undefined_risk: allow", "max_loss_per_trade: $1000"))
    change = change_at(
        compared(old, edited(old, ("risk:\n", "risk:\n  undefined_risk: allow\n"))), "risk.undefined_risk"
    )
    assert change.is_worse
    naked = compared(spread, PUT)
    assert "no bought leg covers what is sold" in change_at(naked, "legs.long_put").words
    assert naked.growth > 10


def test_a_stop_for_a_broken_quote_on_the_way_in() -> None:
    old = edited(CONDOR, ("vix: {between: [12, 22]}\n", "vix: {between: [12, 22]}\n      confirm: 2 quotes\n"))
    assert change_at(compared(old, CONDOR), "entry.when.vix.confirm").words == "one broken quote can now let it enter"


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("{name: up, within: 30m}", "{name: up, within: 1h}", True),
        ("{name: up, within: 30m}", "{name: up, within: 5m}", False),
        ("{name: up, says: yes_, within: 30m}", "{name: up, within: 30m}", True),
        ("{name: up, within: 30m}", "{name: up, says: yes_, within: 30m}", False),
        ("{name: up, says: yes_, within: 30m}", "{name: up, says: no_, within: 30m}", True),
    ],
)
def test_a_web_hook_that_counts_longer_or_says_less(old: str, new: str, is_worse: bool) -> None:
    texts = [edited(CONDOR, ("vix: {between: [12, 22]}", f"webhook: {each}")) for each in (old, new)]
    assert change_at(compared(*texts), "entry.when.webhook.up").is_worse is is_worse


def test_older_data_is_worse() -> None:
    old = edited(CONDOR, ("vix: {between: [12, 22]}\n", "vix: {between: [12, 22]}\n      max_age: 5s\n"))
    assert change_at(compared(old, CONDOR), "entry.when.vix.max_age").is_worse


def test_a_condition_on_profit_turned_round() -> None:
    old = edited(CONDOR, (BREACH, "  - loss: {at_least: $40}\n"))
    change = change_at(compared(old, old.replace("{at_least: $40}", "{at_most: $40}")), "exits.loss")
    assert change.is_worse
    assert change.words.startswith("which of the two holds more often")
    assert change_at(compared(old, old.replace("$40}", "$60}")), "exits.loss").is_worse


def test_a_halt_that_acts_sooner_is_no_risk() -> None:
    halt = "risk:\n  halt_when:\n    - vix_spike: {above: 3 pts}\n"
    confirmed = halt + "      confirm: 2 quotes\n"
    texts = [edited(CONDOR, ("risk:\n", each)) for each in (confirmed, halt)]
    assert not change_at(compared(*texts), "risk.halt_when.vix_spike.confirm").is_worse
    assert change_at(compared(*reversed(texts)), "risk.halt_when.vix_spike.confirm").is_worse


def test_a_structure_that_the_example_has_no_strikes_for() -> None:
    nowhere = edited(
        CONDOR,
        ("short_call: {sell: call, strike: {delta: 0.10}}", WITHOUT),
        ("max_loss_per_trade: $1000", "daily_loss: $1000"),
    )
    assert compared(nowhere, nowhere).changes == ()
    found = compared(edited(CONDOR, ("max_loss_per_trade: $1000", "daily_loss: $1000")), nowhere)
    assert found.growth == float("inf")
    assert change_at(found, "legs.short_call.strike.within").words.startswith("no trade sooner")
    for old, new, path, _ in ROWS:
        text = nowhere.replace(old, new, 1)
        if text != nowhere and "$floor" in text:
            assert change_at(compared(nowhere, text), path)


WITHOUT = "short_call: {sell: call, strike: {delta: 0.10, within: 0.0000001}}"


ENTERS = "in which it may enter"


@pytest.mark.parametrize(
    ("old", "new", "is_worse", "words"),
    [
        ("close - 150m", '"13:30"', True, f"120 minutes more {ENTERS} on half days"),
        ('"13:30"', "close - 150m", False, f"120 minutes less {ENTERS} on half days"),
        ("close - 150m", '"13:00"', True, f"30 minutes less {ENTERS}; 120 minutes more {ENTERS} on half days"),
        ('"12:00"', '"12:20"', True, f"20 minutes more {ENTERS}"),
        ('"13:30"', '"13:10"', False, f"20 minutes less {ENTERS}"),
    ],
)
def test_a_longer_window_half_days_too(old: str, new: str, is_worse: bool, words: str) -> None:
    change = change_at(compared(*(edited(CONDOR, ('to: "13:30"', f"to: {end}")) for end in (old, new))), "entry.window")
    assert (change.is_worse, change.words) == (is_worse, words)


@pytest.mark.parametrize(
    ("old", "new", "is_worse", "words"),
    [
        ('"15:30"', "open + 6h", True, "30 minutes before the close; half days never, they close at 13:00"),
        ("open + 6h", '"15:30"', False, "leaves sooner: 30 minutes before the close; half days 12:30"),
        ('"15:30"', "close - 30m", False, "30 minutes before the close; half days 12:30"),
        ("open + 3h", '"12:45"', True, "195 minutes before the close; half days 12:45"),
    ],
)
def test_a_time_exit_on_half_days(old: str, new: str, is_worse: bool, words: str) -> None:
    texts = [edited(CONDOR, ('time: "15:30"', f"time: {each}")) for each in (old, new)]
    change = change_at(compared(*texts), "exits.time")
    assert (change.is_worse, change.words) == (is_worse, words)


@pytest.mark.parametrize(
    ("old", "new", "path", "is_worse"),
    [
        ("sell: put, strike: {", "sell: put, strike: {min_strike: 5990, ", "short_put.strike.min_strike", True),
        ("sell: put, strike: {", "sell: put, strike: {max_strike: 5900, ", "short_put.strike.max_strike", False),
        ("sell: call, strike: {", "sell: call, strike: {max_strike: 6010, ", "short_call.strike.max_strike", True),
        ("sell: call, strike: {", "sell: call, strike: {min_strike: 6090, ", "short_call.strike.min_strike", False),
        ("buy: put, strike: {", "buy: put, strike: {max_strike: 5800, ", "long_put.strike.max_strike", True),
    ],
)
def test_a_new_edge_that_moves_a_strike_to_more_risk(old: str, new: str, path: str, is_worse: bool) -> None:
    assert change_at(compared(CONDOR, edited(CONDOR, (old, new))), f"legs.{path}").is_worse is is_worse


@pytest.mark.parametrize(
    ("sooner", "later", "words"),
    [
        ("{dte: {between: [20, 45]}}", "{dte: {between: [40, 45]}}", "it expires"),
        ("{dte: {at_least: 20}}", "{dte: {at_least: 40}}", "it expires"),
        ("{dte: {at_most: 5}}", "{dte: {at_most: 5}, take: latest}", "another expiry of those that qualify,"),
        ("{dte: {between: [20, 70]}}", "{dte: {between: [20, 70]}, cycle: monthly}", "another expiry of those"),
        (
            "{dte: {between: [20, 70]}, take: latest, cycle: monthly}",
            "{dte: {between: [20, 70]}, take: latest}",
            "another expiry of those that qualify,",
        ),
    ],
)
def test_an_expiry_that_comes_later_or_sooner(sooner: str, later: str, words: str) -> None:
    texts = [edited(CONDOR, ("expiry: {dte: 0}", f"expiry: {each}")) for each in (sooner, later)]
    for (old, new), is_worse in ((texts, True), (reversed(texts), False)):
        change = change_at(compared(old, new), "legs.expiry")
        assert change.is_worse is is_worse
        assert words in change.words
        assert ("later" if is_worse else "sooner") in change.words


def test_a_halt_that_is_confirmed_keeps_no_position_open() -> None:
    halt = "risk:\n  halt_when:\n    - vix_spike: {above: 3 pts}\n"
    texts = [edited(CONDOR, ("risk:\n", each)) for each in (halt, halt + "      confirm: 2 quotes\n")]
    words = change_at(compared(*texts), "risk.halt_when.vix_spike.confirm").words
    assert words == "it halts later, and until then entries continue"


LONG_PUT = "{buy: put, strike: {below: short_put, by: 10 pts"
STRANGLE = edited(
    CONDOR,
    (f"  long_put: {LONG_PUT}}}}}\n", ""),
    ("  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\n", ""),
    ("sell: call, strike: {delta: 0.10}", "sell: call, strike: {above: short_put, by: 80 pts}"),
    ("max_loss_per_trade: $1000", "undefined_risk: allow"),
)
DEBIT = (
    edited(
        STRANGLE,
        ("undefined_risk: allow", "max_loss_per_trade: $1000"),
        ("sell: put, strike: {delta: 0.10, min_otm_distance: $floor}", "buy: call, strike: {delta: 0.50}"),
        ("parameters: {floor: 30 pts}\n", ""),
        ("credit: {at_least", "debit: {at_most"),
    )
    .replace("short_put", "lower")
    .replace("short_call", "upper")
)
OFFSET = "short_call.strike"


@pytest.mark.parametrize(
    ("text", "old", "new", "path"),
    [
        (CONDOR, f"{LONG_PUT[:-6]}5 pts", LONG_PUT, "long_put.strike"),
        (CONDOR, f"{LONG_PUT}, round_to: 25", LONG_PUT, "long_put.strike.round_to"),
        (CONDOR, "call, strike: {delta: 0.10, round_to: 100", "call, strike: {delta: 0.10", f"{OFFSET}.round_to"),
        (STRANGLE, "above: short_put, by: 100 pts", "above: short_put, by: 80 pts", OFFSET),
    ],
    ids=["side that is not the widest", "grid of a long", "grid of a short", "two that are sold"],
)
def test_a_strike_that_comes_to_more_risk_below_the_same_worst_case(text: str, old: str, new: str, path: str) -> None:
    texts = [edited(text, (new, old)), text]
    for pair, is_worse in ((texts, True), (reversed(texts), False)):
        assert change_at(compared(*pair), f"legs.{path}").is_worse is is_worse


def test_a_bought_vertical_is_no_worse_for_its_width() -> None:
    narrow, wide = (DEBIT.replace("by: 80 pts", f"by: {width} pts") for width in (20, 25))
    for pair in ((narrow, wide), (wide, narrow)):
        assert not change_at(compared(*pair), "legs.upper.strike").is_worse


@pytest.mark.parametrize(
    ("text", "old", "new", "path", "is_worse", "back_is_worse"),
    [
        (CONDOR, "[short_put, long_put]", "[short_call, long_call]", "stop.close", True, True),
        (CONDOR, "max_age: 1s", "max_age: 2s", "breach.max_age", True, False),
        (PUT, "50%}\n", "50%}\n    resting: true\n", "target.resting", False, True),
        (PUT, "credit}\n", "credit}\n    resting: true\n", "stop.resting", True, True),
    ],
)
def test_an_exit_in_another_way_and_back(
    text: str, old: str, new: str, path: str, is_worse: bool, back_is_worse: bool
) -> None:
    with_all = text.replace("    resting: true\n", "")
    with_all = with_all.replace(STOP, f"{STOP}    close: [short_put, long_put]\n")
    with_all = with_all.replace(BREACH, f"{BREACH}    max_age: 1s\n")
    texts = [with_all, edited(with_all, (old, new))]
    for pair, worse in ((texts, is_worse), (reversed(texts), back_is_worse)):
        assert change_at(compared(*pair), f"exits.{path}").is_worse is worse


@pytest.mark.parametrize(
    ("where", "less", "more"),
    [
        ("risk", "daily_loss: $500", "daily_loss: $900"),
        ("risk", "daily_loss: $500", ""),
        ("risk", "daily_profit: $500", "daily_profit: $900"),
        ("risk", "daily_profit: $500", ""),
        ("entry", "per_week: 2", "per_week: 3"),
        ("entry", "per_week: 2", ""),
    ],
)
def test_a_limit_that_lets_more_be_lost_is_worse_and_back_it_is_not(where: str, less: str, more: str) -> None:
    texts = [
        edited(CONDOR, (f"{where}:\n", f"{where}:\n  {each}\n" if each else f"{where}:\n")) for each in (less, more)
    ]
    for pair, is_worse in ((texts, True), (reversed(texts), False)):
        (change,) = compared(*pair).changes
        assert (change.path, change.is_worse) == (f"{where}.{less.partition(':')[0]}", is_worse)


@pytest.mark.parametrize(("old", "new"), [("3 quotes", "2s"), ("2s", "3 quotes"), ("3 quotes", "30s")])
def test_readings_and_seconds_cannot_be_distinguished_by_their_numbers(old: str, new: str) -> None:
    halt = "risk:\n  halt_when:\n    - vix_spike: {above: 3 pts}\n      confirm: "
    texts = [edited(CONDOR, ("risk:\n", f"{halt}{each}\n")) for each in (old, new)]
    change = change_at(compared(*texts), "risk.halt_when.vix_spike.confirm")
    assert (change.is_worse, change.words[:23]) == (True, "counted in another way:")


def test_a_time_exit_that_half_days_end_before_says_so() -> None:
    texts = [edited(CONDOR, ('time: "15:30"', f"time: {each}")) for each in ("close - 5m", "open + 6h")]
    there, back = (change_at(compared(*each), "exits.time") for each in (texts, list(reversed(texts))))
    assert there.new == "at 6 hours after the open, 15:30 (half days never)"
    assert back.words == "5 minutes before the close; half days 12:55"
