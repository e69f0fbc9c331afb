"""Every warning of the compiler: one change to a sound spec, its code and what is marked; and what is let alone."""

from dataclasses import fields
from datetime import date

import pytest
from document import CONDOR as SAFE

from rulebot.compile.build import check, check_together
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.compile.plan import ExitPlan
from rulebot.model.facts import EventCalendar
from rulebot.model.session import half_days
from rulebot.spec.diagnostic import Diagnostic, Severity
from rulebot.spec.load import load_text
from rulebot.spec.spec import Entry, Exit

TODAY = date(2026, 11, 2)
ENDS = EventCalendar(
    published_until={"CPI": date(2026, 12, 31), "FOMC": date(2026, 11, 20)},
    known_until={"CPI": date(2027, 12, 31), "FOMC": date(2027, 12, 31)},
)
OUTSIDE = LintEnvironment(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: ENDS)

CONDOR = SAFE.replace("$1000", "$2000")
"""Its sides may be lost one after the other."""
WINDOW = '  window: {from: "10:00", to: "13:30"}\n'
VIX = "    - vix: {between: [12, 22]}\n"
REQUIRE = "    - credit: {at_least: 0.50}\n"
TIME = '  - time: "15:30"\n'
BREACH = "  - breach: {spot_within: 5 pts}\n"
TARGET = "  - target: {profit: 50%}\n"
STOP = "  - stop: {loss: $50}\n    confirm: 2 quotes\n"
WING = "  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n"
LET = "let: {day_move: {expected_move: {asof: open}}}\n"
MOVED = "    - day_range: {below: 0.6x day_move}\n"
RISK = "  max_loss_per_trade: $2000\n"
ORDER = "order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}\n"

SELLER = """\
rulebot: 1
name: seller
about: Sells a put far out, every day.
underlying: SPY
entry:
  at: open + 1m
  max_open: 30
legs:
  expiry: {dte: {nearest: 45}}
  short_put: {sell: put, strike: {delta: 0.15}}
order: {start: mid, step: 0.01, wait: 10s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 21}
  - stop: {loss: 200%}
    resting: true
risk:
  undefined_risk: allow
"""


def changed(*changes: tuple[str, str], text: str = CONDOR) -> str:
    """Return the text with each first piece replaced by the second."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def when(*conditions: str) -> str:
    return changed((VIX, "".join(f"    - {condition}\n" for condition in conditions)))


def exits(*lines: str) -> str:
    return changed((TIME + BREACH + TARGET + STOP, "".join(f"  {line}\n" for line in lines)))


def seller(*changes: tuple[str, str]) -> str:
    return changed(*changes, text=SELLER)


def weeks(*lines: str) -> str:
    """Return two condors of about 30 days with these exits."""
    two = changed(("about:", "quantity: 2\nabout:"), ("dte: 0", "dte: {nearest: 30}"), ("$2000", "$4000"))
    two = two.replace("loss: $50", "loss: $500")
    window = ('from: "10:00", to: "13:30"}\n', 'from: "10:00", to: "15:00"}\n  max_open: 9\n')
    return changed(window, (f"{TIME}{BREACH}", "\n".join(f"  {line}" for line in lines) + "\n"), text=two)


def within(points: int, more: str = "") -> str:
    return f"- breach: {{spot_within: {points} pts{more}}}"


def legs(text: str) -> str:
    start, end = CONDOR.index("  short_put:"), CONDOR.index("order:")
    rest = CONDOR[end:].replace("loss: $50", "loss: $500").replace("$2000", "$9000") + "  undefined_risk: allow\n"
    return CONDOR[:start].replace("parameters: {floor: 30 pts}\n", "") + text + rest


def at_open(strike: str, *changes: tuple[str, str]) -> str:
    """Return puts alone, sold at a strike from the open on, whatever the market has moved."""
    text = legs(f"  short_put: {{sell: put, strike: {{{strike}}}}}\n{WING}")
    opened = ((WINDOW, '  window: {from: open, to: "13:30"}\n'), (LET, ""), (MOVED, ""))
    return changed(*opened, *changes, text=text)


BOX = """\
  short_call: {sell: call, strike: {at: spot}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
  long_put: {buy: put, strike: {at: short_call}}
  short_put: {sell: put, strike: {at: long_call}}
"""
BOUGHT_BOX = """\
  long_call: {buy: call, strike: {at: spot}}
  short_call: {sell: call, strike: {above: long_call, by: 10 pts}}
  short_put: {sell: put, strike: {at: long_call}}
  long_put: {buy: put, strike: {at: short_call}}
"""
STRADDLE = """\
  short_put: {sell: put, strike: {at: spot}}
  short_call: {sell: call, strike: {at: short_put, within: 5 pts}}
"""
REVERSAL = """\
  short_put: {sell: put, strike: {delta: 0.25}}
  long_call: {buy: call, strike: {delta: 0.25}}
"""
RATIO = """\
  long_put: {buy: put, strike: {delta: 0.30}}
  short_puts: {sell: put, ratio: 2, strike: {delta: 0.15}}
"""
PUSHED = """\
  short_put: {sell: put, strike: {delta: 0.30, min_otm_distance: 100 pts}}
  long_put: {buy: put, strike: {delta: 0.10}}
"""
DIAGONAL = """\
  front: {sell: put, strike: {delta: 0.30}}
  back: {buy: put, expiry: {dte: {at_least: 3}}, strike: {below: front, by: 30 pts}}
"""
WINGS = """\
  long_put: {buy: put, strike: {expected_move: 1.5x}}
  long_call: {buy: call, strike: {otm: 2%}}
"""
BROKEN_WING = """\
  long_put: {buy: put, strike: {delta: 0.30}}
  short_put: {sell: put, ratio: 2, strike: {below: long_put, by: 10 pts}}
  wing: {buy: put, strike: {below: short_put, by: 30 pts}}
  require:
    - credit: {at_least: 0.50}
"""


def warnings(text: str) -> list[Diagnostic]:
    loaded = load_text(text)
    assert loaded.spec is not None, [found.message for found in loaded.diagnostics]
    return [*loaded.diagnostics, *check(loaded, OUTSIDE)]


def places(text: str) -> list[tuple[str, str]]:
    return [(found.code, found.text[found.col - 1 : found.end_col - 1]) for found in warnings(text)]


PAYS = "credit: {at_least: 0.50}"
WIDE = "credit: {between: [0.50, 1.00]}"
LAST = '- time: "15:30"'
PAST = "- {name: past, breach: {spot_beyond: 0 pts}}"
OF_PUT = "breach: {spot_within: 5 pts, of: short_put}"
DELTA = "- leg_delta: {beyond: 0.20}"
OPEN = "  max_open: 30\n"
RESTING = "  - stop: {loss: 200%}\n    resting: true\n"
LOSES = ("stop: {loss: $50}", "stop: {loss: $300}")
DEEPER = ("max_loss_per_trade: $2000", "max_loss_per_trade: $9000")
PROTECTED = RISK + "  protect: {cost: 4x credit}\n  max_time_without_stop: 5s\n"
TWO_OF_THREE = "{start: mid, adaptive: [patient, normal, urgent], tries: 2, then: market}"
"""The third priority is of no try."""
CENTRE = """\
- name: centre
    all: [{time: open + 3h}]
    close: put_side
    roll: {require: [{debit: {at_most: 0.50}}],
           strikes: {short_put: {delta: 0.10}, long_put: {below: short_put, by: 10 pts}}}"""
PROFIT = """- name: up
    profit: {at_least: 30%}
    close: put_side
    roll: {require: [{debit: {at_most: 0.50}}], expiry: {dte: 1}}"""
LAST_HOUR = "- name: last\n    all: [{time: '15:30'}, {dte: {at_most: 0}}]"
TO_SPOT = PROFIT.replace(
    "expiry:", "strikes: {short_put: {otm: 40 pts}, long_put: {below: short_put, by: 10 pts}}, expiry:"
)
NOT_AT_FIRST = TO_SPOT.replace("profit: {at_least: 30%}", "all: [{profit: {at_least: 30%}}, {time: open + 1m}]")
ONE_BY_ONE = "long_put, short_put, short_call, long_call"
IN_PAIRS = (
    changed((RISK, "  max_loss_per_trade: $3000\n"))
    .replace("{sell: ", "{ratio: 2, sell: ")
    .replace("{buy: ", "{ratio: 2, buy: ")
)

FOUND = [
    # names
    (changed(("day_range: {below: 0.6x day_move}", "day_range: {below: 20 pts}")), "RB302", "day_move"),
    (
        changed(("{floor: 30 pts}", "{floor: 30 pts, vix: 20}"), (VIX, "    - {name: e, expr: vix9d < vix}\n")),
        "RB303",
        "vix",
    ),
    (exits(LAST, "- name: any", "  breach: {spot_within: 5 pts}"), "RB303", "any"),
    # words that do nothing
    (exits('- time: "15:30"', "  unknown: exit"), "RB304", "unknown"),
    (exits(LAST_HOUR, "  unknown: exit"), "RB304", "unknown"),
    (exits("- time_in_trade: {at_least: 3m}", "  grace: 5s", LAST), "RB304", "grace"),
    (exits(LAST, "  order: {start: market, step: 0.05}"), "RB304", "step"),
    (exits(LAST, "  order: {start: mid, step: 0.05, tries: 1, then: market}"), "RB304", "step"),
    (exits(LAST, "  order: {start: mid, wait: 5s, tries: 1, pause: 1m, then: market}"), "RB304", "pause"),
    (exits(LAST, "  order: {start: mid, step: 0.05, tries: 3}"), "RB304", "tries"),
    (exits(LAST, "  order: {start: natural, step: 0.05, tries: 3, then: market}"), "RB304", "step"),
    (exits(LAST, "  order: {start: natural, step: 0.05}"), "RB304", "step"),
    (seller(("start: mid", "start: natural")), "RB304", "step"),
    (seller(("exits:\n", "exit_order: {start: mid, step: 0.05, tries: 3, then: again}\nexits:\n")), "RB304", "tries"),
    (changed((VIX, VIX + "    - {net_liquidation: {above: $9000}, max_age: 5s}\n")), "RB305", "max_age"),
    (changed((RISK, RISK + "  require:\n    - {net_delta: {below: 9}, max_age: 5s}\n")), "RB305", "max_age"),
    (
        changed((ORDER, ORDER.replace("wait: 10s, tries: 6", "tries: 1") + "exit_order: {start: natural}\n")),
        "RB304",
        "step",
    ),
    (seller(("exits:\n", f"exit_order: {TWO_OF_THREE}\nexits:\n")), "RB304", "urgent"),
    (legs(STRADDLE).replace(BREACH, "").replace("  max_loss_per_trade: $9000\n", ""), "RB304", "within"),
    # conditions of entry
    (when("vix: {below: 12}", "{name: high, vix: {above: 20}}"), "RB311", "20"),
    (when("vix: {above: 20}", "{name: e, expr: vix9d > 2 and 12 > vix}"), "RB311", "vix9d > 2 and 12 > vix"),
    (when("vix: {above: 20}", "{name: e, expr: 12 > vix}"), "RB311", "12 > vix"),
    (when("vix: {above: 20}", "not: {vix: {at_least: 15}}"), "RB311", "not: {vix: {at_least: 15}}"),
    (when("{name: e, expr: 1 > 2}"), "RB311", "1 > 2"),
    (when("{name: e, expr: 4 > vix9d > 2 and not 2 > 1}"), "RB311", "4 > vix9d > 2 and not 2 > 1"),
    (when("{name: e, expr: 2 * vix > vix * 2}"), "RB311", "2 * vix > vix * 2"),
    (when('time: "14:00"'), "RB311", '"14:00"'),
    (when("no_event: [CPI]", "event: [CPI]"), "RB311", "[CPI]"),
    (when("no_event: [CPI]", "{name: e, expr: event(CPI)}"), "RB311", "event(CPI)"),
    (when("vix_spike: {below: 0 pts}"), "RB311", "0 pts"),
    (changed((REQUIRE, "    - credit: {at_least: 11.00}\n")), "RB311", "11.00"),
    (changed((REQUIRE, "    - credit: {at_least: $1200}\n")), "RB311", "$1200"),
    (changed((RISK, RISK + "  halt_when:\n    - vix: {above: 10}\n")), "RB312", "10"),
    (changed((RISK, RISK + "  halt_when:\n    - day_range: {below: 1x day_move}\n")), "RB312", "1x day_move"),
    # sessions of the year
    (at_open("otm: 30 pts"), "RB349", "30 pts"),
    (at_open("expected_move: 1x"), "RB349", "1x"),
    (at_open("at: spot", (BREACH, "")), "RB349", "spot"),
    (
        at_open(
            "at: spot", (BREACH, ""), (VIX, "    - {vix: {below: 22}, confirm: 5s}\n    - not: {time: open + 1m}\n")
        ),
        "RB349",
        "spot",
    ),
    (at_open("delta: 0.10, min_otm_distance: 20 pts"), "RB349", "20 pts"),
    (exits(LAST_HOUR, TO_SPOT).replace("  per_day: 1\n", OPEN), "RB349", "40 pts"),
    (changed((WINDOW, '  window: {from: "13:00", to: "14:00"}\n')), "RB320", '{from: "13:00", to: "14:00"}'),
    (changed((WINDOW, "  at: close - 4h\n")), "RB320", "close - 4h"),
    (changed((TIME, "  - time: open + 4h\n  - at_expiry: settle\n")), "RB321", "open + 4h"),
    (exits(LAST, "- time_in_trade: {above: 3h}"), "RB321", "3h"),
    # again and caps
    (changed(("  per_day: 1\n", "  per_day: 2\n  again: {after: [any], wait: 4h}\n")), "RB322", "4h"),
    (changed(("  per_day: 1\n", "  per_day: 3\n")), "RB323", "3"),
    (changed(("  per_day: 1\n", "  per_day: 2\n  again: {after: [unfilled]}\n")), "RB323", "2"),
    (changed(("  per_day: 1\n", "  per_day: 9\n  again: {after: [any], wait: 1h}\n")), "RB323", "9"),
    (changed(("  per_day: 1\n", "  per_day: 4\n  again: {after: [any], at_most: 2}\n")), "RB323", "4"),
    (changed(("  per_day: 1\n", "  per_day: 1\n  max_open: 2\n")), "RB323", "2"),
    # events
    (when("no_event: [CPI, cpi_eve]"), "RB314", "cpi_eve"),
    (when("no_event: {of: [CPI, my_day], before: 2h}"), "RB314", "my_day"),
    (when("{name: e, expr: no_event(my_day)}"), "RB314", "no_event(my_day)"),
    (when("no_event: [FOMC]"), "RB315", "FOMC"),
    (seller((OPEN, OPEN + "  when:\n    - no_event: [CPI]\n")), "RB313", "[CPI]"),
    # exits
    (exits(LAST, "- target: {profit: 100%}"), "RB330", "100%"),
    (exits(LAST, "- target: {cost: 0.00}"), "RB330", "0.00"),
    (exits(LAST, "- target: {profit: $1000}"), "RB330", "$1000"),
    (exits(LAST, "- stop: {cost: 10.50}"), "RB331", "10.50"),
    (exits(LAST, "- stop: {loss: $1000}"), "RB331", "$1000"),
    (exits(LAST, "- stop: {cost: 21x credit}"), "RB331", "21x credit"),
    (exits(LAST, "- loss: {at_least: 1900%}"), "RB331", "1900%"),
    (exits(LAST, "- loss: {above: 1x max_risk}"), "RB331", "1x max_risk"),
    (
        legs(BROKEN_WING).replace("profit: 50%", "profit: $1100").replace(REQUIRE[6:-1], WIDE).replace(*DEEPER),
        "RB330",
        "$1100",
    ),
    (legs(BROKEN_WING).replace("{loss: $500}", "{loss: $2000}"), "RB331", "$2000"),
    (exits(LAST, '- {name: later, time: "15:45", order: market}'), "RB332", '"15:45"'),
    (exits(LAST, within(15), f"- {{name: near, {within(5)[2:]}}}"), "RB332", "{spot_within: 5 pts}"),
    (
        exits(LAST, within(15), f"- {{name: near, {within(5, ', of: short_put')[2:]}}}"),
        "RB332",
        "{spot_within: 5 pts, of: short_put}",
    ),
    (exits(LAST, PAST, PAST.replace("past", "far").replace("0 pts", "5 pts")), "RB332", "{spot_beyond: 5 pts}"),
    (exits(LAST, "- stop: {cost: 2x credit}", "- {name: second, stop: {loss: 100%}}"), "RB332", "100%"),
    (exits(LAST, DELTA, "- {name: e, all: [{leg_delta: {beyond: 0.30}}, {vix: {above: 20}}]}"), "RB332", None),
    (exits(LAST, "- name: both", "  all: [{profit: {above: 50%}}, {cost: {above: 1x credit}}]"), "RB333", None),
    (changed((TIME, "  - time: close\n  - {name: out, time: close - 15m}\n")), "RB244", "time: close"),
    (exits(LAST, "- leg_delta: {beyond: 1}"), "RB333", "1"),
    (changed((RISK, RISK + "  halt_when:\n    - vix_spike: {below: 0 pts}\n")), "RB333", "0 pts"),
    (exits(LAST, "- leg_delta: {beyond: 0.05}"), "RB229", "0.05"),
    (exits(LAST, "- stop: {cost: 1x credit}"), "RB229", "1x credit"),
    (exits(LAST, "- move: {since: entry, above: -5 pts}"), "RB229", "-5 pts"),
    (seller(("dte: {at_most: 21}", "dte: {at_most: 60}"), ("nearest: 45", "between: [30, 45]")), "RB229", "60"),
    (exits(LAST, "- leg_delta: {at_least: 0.10}"), "RB334", "0.10"),
    (legs(f"  short_put: {{sell: put, strike: {{otm: 5 pts}}}}\n{WING}"), "RB334", "{spot_within: 5 pts}"),
    (seller(("at_most: 21", "at_most: 1"), ("nearest: 45", "between: [1, 9]")), "RB334", "1"),
    (seller(("at_most: 21", "at_most: 0"), ("nearest: 45", "nearest: 1")), "RB334", "0"),
    (seller(("SPY", "KO"), ("at_most: 21", "at_most: 0"), ("nearest: 45", "nearest: 3")), "RB334", "0"),
    (
        seller(
            ("underlying: SPY", "universe: {symbols: [SPY, KO]}"),
            ("  max_open: 30\n", "  per_day: 2\n  max_open: 30\n"),
            ("at_most: 21", "at_most: 0"),
            ("nearest: 45", "nearest: 3"),
        ),
        "RB334",
        "0",
    ),
    (seller(("{nearest: 45}", "{nearest: 30}, cycle: monthly")), "RB334", "21"),
    (exits(LAST, "- vix: {above: 20}"), "RB352", "20"),
    (legs(REVERSAL).replace("profit: 50%", "profit: 500%"), "RB353", "500%"),
    (legs(REVERSAL).replace("target: {profit: 50%}", "stop: {give_back: 20%}\n    name: trail"), "RB353", "20%"),
    (legs(RATIO), "RB353", "50%"),
    (legs(PUSHED), "RB353", "50%"),
    (legs(BOX).replace(BREACH, ""), "RB356", None),
    (legs(DIAGONAL).replace(BREACH, ""), "RB353", "50%"),
    (exits(LAST, "- move: {since: open, above: -5 pts}"), "RB352", "-5 pts"),
    (exits(LAST, "- {name: e, any: [{breach: {spot_within: 2 pts}}, {vix_spike: {above: 3 pts}}]}"), "RB352", None),
    (exits(LAST, "- stop: {cost: 2x credit, of: short_put}"), "RB337", "2x credit"),
    (exits(LAST, "- {name: c, cost: {above: 1.5x credit, of: [short_put, long_put]}}"), "RB337", "1.5x credit"),
    (exits(LAST, CENTRE), "RB338", "name: centre"),
    (exits(LAST, CENTRE.replace("{time: open + 3h}", "{time: open + 3h}, {dte: {at_most: 1}}")), "RB338", None),
    (
        exits(LAST, CENTRE.replace("all: [{time: open + 3h}]", "any: [{time: open + 3h}, {leg_delta: {beyond: 0.3}}]")),
        "RB338",
        None,
    ),
    (exits(LAST, CENTRE.replace("[{time: open + 3h}]", "[{time: open + 3h}, {vix: {above: 20}}]")), "RB338", None),
    (exits(LAST, CENTRE.replace("  all: [{time: open + 3h}]", "  spot: {below: 5900}")), "RB338", "5900"),
    (exits(LAST, PROFIT.replace("require: [{debit: {at_most: 0.50}}], ", "")), "RB354", "30%"),
    (exits(LAST, PROFIT.replace("debit: {at_most: 0.50}", "quote_width: {at_most: 0.50}")), "RB354", "30%"),
    (changed(("at_least: 0.50", "at_least: 0.05")), "RB344", "50%"),
    (changed(("at_least: 0.50", "at_least: 0.10"), ("profit: 50%", "cost: 0.6x credit")), "RB344", "0.6x credit"),
    (changed(("at_least: 0.50", "at_least: 0.10")), "RB344", "50%"),
    (changed((STOP, "  - stop: {loss: 5%}\n    confirm: 2 quotes\n")), "RB344", "5%"),
    # endings
    (changed((TIME, "  - time: open + 4h\n")), "RB335", "exits"),
    (
        seller(("short_put: {sell: put", "short_call: {sell: call"), (RESTING, "")),
        "RB336",
        "short_call",
    ),
    (
        seller(
            ("order:", "  short_call: {sell: call, strike: {delta: 0.15}}\norder:"),
            (RESTING, ""),
            ("risk:\n", "risk:\n  protect: {cost: 4x credit, of: short_put}\n"),
        ),
        "RB336",
        "short_call",
    ),
    (exits(LAST, "- target: {profit: 100%, of: long_put}"), "RB355", "100%"),
    (exits(LAST, "- {name: n, profit: {at_least: $90}, close: [long_put, short_call, long_call]}"), "RB355", "$90"),
    (changed((TARGET, "  - target: {profit: 25%}\n    close: 50%\n")), "RB348", "50%"),
    (
        changed(
            ("underlying: SPX", "underlying: SPX\nquantity: {max_loss: $2000, at_most: 3}"),
            (TARGET, "  - target: {profit: 25%}\n    close: 70%\n"),
            LOSES,
        ),
        "RB348",
        "70%",
    ),
    # orders and prices
    (changed((BREACH, f"{BREACH}    order: market\n")), "RB310", "market"),
    (changed((BREACH, f"{BREACH}    confirm: 1 quotes\n    order: market\n")), "RB310", "market"),
    (exits(LAST, "- {stop: {cost: 2x credit}, unknown: exit}"), "RB343", "exit"),
    (exits(LAST, "- {stop: {cost: 2x credit, of: each_side}, unknown: exit, order: {step: 0.10}}"), "RB343", "exit"),
    (changed((BREACH, "  - breach: {spot_within: 5 pts, of: each_side}\n    order: market\n")), "RB310", "market"),
    (changed((ORDER, "order: {wait: 10s}\n")), "RB346", "{wait: 10s}"),
    (
        changed((ORDER, "order: {start: natural, wait: 10s}\nexit_order: {start: mid, wait: 1m}\n")),
        "RB346",
        "{start: mid, wait: 1m}",
    ),
    (
        seller(("order: {start: mid, step: 0.01, wait: 10s, tries: 6,", "order: {adaptive: urgent, wait: 1m,")),
        "RB346",
        "{adaptive: urgent, wait: 1m, then: cancel}",
    ),
    (changed(("step: 0.05", "step: 0.01")), "RB340", "0.01"),
    (changed(("step: 0.05", "step: 0.12")), "RB340", "0.12"),
    (changed(("start: mid", "start: 0.52")), "RB340", "0.52"),
    (changed((REQUIRE, "    - credit: {at_least: 0.52}\n")), "RB340", "0.52"),
    (changed((REQUIRE, "    - credit: {between: [0.50, 0.93]}\n")), "RB340", "0.93"),
    (changed((BREACH, f"{BREACH}    order: {{step: 0.02}}\n")), "RB340", "0.02"),
    (changed((REQUIRE, "    - credit: {at_least: $0.50}\n")), "RB344", "$0.50"),
    (changed((REQUIRE, "    - credit: {between: [$1.20, $400]}\n")), "RB344", "$1.20"),
    (changed((TARGET, "  - target: {profit: $0.25}\n")), "RB344", "$0.25"),
    (
        changed(
            ("underlying: SPX", "underlying: SPX\nquantity: 3"), (TARGET, "  - target: {profit: $14}\n"), DEEPER, LOSES
        ),
        "RB344",
        "$14",
    ),
    (exits(LAST, "- {name: lost, expr: give_back >= 20}"), "RB345", "20"),
    (exits(LAST, "- {name: lost, expr: not 20 > give_back}"), "RB345", "20"),
    (exits(LAST, "- {name: late, expr: time_in_trade >= 30 and vix > 20}"), "RB345", "30"),
    (exits(LAST, "- {name: late, all: [{name: a, expr: return_on_risk < 20}, {cost: {above: 9.00}}]}"), "RB345", "20"),
    (changed((RISK, RISK + "  protect: {cost: 4x credit}\n  max_time_without_stop: 1s\n")), "RB341", "1s"),
    (changed((RISK, PROTECTED), ("underlying: SPX", "underlying: SPX\nquantity: 3"), DEEPER, LOSES), "RB341", "5s"),
    (changed((RISK, PROTECTED), (BREACH, BREACH + "    order: {step: 0.05, pause: 10s}\n")), "RB341", "5s"),
    # what structure and limits leave no room for
    (changed((RISK, "  max_loss_per_trade: $100\n")), "RB316", "$100"),
    (changed((RISK, RISK + "  require:\n    - worst_case: {at_most: $100}\n")), "RB311", "$100"),
    (changed((REQUIRE, "    - max_risk: {at_most: $300}\n")), "RB311", "$300"),
    (
        changed((REQUIRE, "    - credit: {between: [0.50, 2.00]}\n"), (RISK, "  max_loss_per_trade: $795\n")),
        "RB316",
        "$795",
    ),
    (changed(("then: cancel", f"leg_by_leg: [{ONE_BY_ONE}], then: unwind")), "RB342", "short_call"),
    (IN_PAIRS, "RB357", "2"),
]


@pytest.mark.parametrize("hour", ['"16:00"', "close", '"20:45"'])
def test_a_time_exit_at_an_hour_at_which_nothing_trades_is_an_error(hour: str) -> None:
    (found,) = warnings(changed((TIME, f"  - time: {hour}\n")))
    assert (found.code, found.severity) == ("RB244", Severity.ERROR)
    said = f"'time' ({hour.strip(chr(34))}) never acts: trading ends at 16:00"
    assert found.message == said


@pytest.mark.parametrize(("text", "code", "marked"), FOUND, ids=[f"{n}-{case[1]}" for n, case in enumerate(FOUND)])
def test_one_warning_at_its_place(text: str, code: str, marked: str | None) -> None:
    found = places(text)
    assert [each for each, _ in found] == [code]
    assert marked is None or found[0][1] == marked


def test_a_larger_multiple_of_what_may_be_below_zero_may_be_the_lower_one() -> None:
    """With a gap of -10 points a move of -4 is between a half of it, -5, and three tenths, -3."""
    both = ("move: {above: 0.5x gap}", "{name: near, move: {below: 0.3x gap}}")
    assert places(when(*both)) == []
    assert places(when("vix_spike: {at_most: -0.5x vix_change}")) == []
    assert places(when("move: {above: 0.5x gap}", "{name: near, move: {at_most: 0.5x gap}}")) == [("RB311", "0.5x gap")]


def test_a_sound_spec_has_no_warning() -> None:
    assert places(CONDOR) == places(SELLER) == []


QUIET = [
    exits(LAST_HOUR, NOT_AT_FIRST).replace("  per_day: 1\n", OPEN),
    exits(LAST, TO_SPOT),
    legs(BOUGHT_BOX).replace(BREACH, ""),
    changed(("{ratio: 2, buy", "{ratio: 3, buy"), text=IN_PAIRS),
    changed((STOP, "  - stop: {loss: 25%}\n    confirm: 2 quotes\n"), (TARGET, "  - target: {profit: 25%}\n")),
    changed((REQUIRE, "    - credit: {between: [0.50, 2.50]}\n"), (RISK, "  max_loss_per_trade: $795\n")),
    changed((RISK, RISK + "  require:\n    - worst_case: {at_most: $900}\n")),
    changed((REQUIRE, "    - credit: {at_least: $30}\n")),
    changed(
        ("underlying: SPX", "underlying: SPY"),
        ("floor: 30 pts", "floor: 3 pts"),
        ("step: 0.05", "step: 0.01"),
        (REQUIRE, "    - credit: {at_least: $8}\n"),
        (BREACH, BREACH.replace("5 pts", "1 pts")),
    ),
    exits(LAST, "- {stop: {loss: $0}, activate_when: {profit: {at_least: 30%}}}"),
    when("vix: {below: 20}", "{name: again, vix: {above: 12}}"),
    when("vix: {at_most: 20}", "{name: again, vix: {at_least: 20}}"),
    when("vix: {above: 20}", "vix9d: {below: 12}"),
    when("{name: e, vix_change: {above: 3%}}"),
    when("{name: e, any: [{vix: {below: 12}}, {name: high, vix: {above: 20}}]}", "{name: f, vix: {above: 18}}"),
    when("session: {is: half}").replace("13:30", "12:30"),
    when("session: {is: full}").replace('from: "10:00", to: "13:30"', 'from: "13:00", to: "14:00"'),
    changed((WINDOW, "  window: {from: close - 3h, to: close - 1h}\n")),
    changed((RISK, RISK + "  halt_when:\n    - vix: {above: 20}\n    - day_range: {above: day_move}\n")),
    changed(("  per_day: 1\n", "  per_day: 2\n  max_open: 2\n  again: {after: [filled], wait: 30m}\n")),
    exits(LAST, "- breach: {spot_within: 5 pts}", "- {name: wider, breach: {spot_within: 15 pts}}"),
    exits(LAST, f"- {{{within(15)[2:]}, confirm: 30s}}", "- {name: near, breach: {spot_within: 5 pts}}"),
    exits(LAST, "- breach: {spot_within: 15 pts, of: short_put}", "- {name: near, breach: {spot_within: 5 pts}}"),
    exits(LAST, within(15, ", of: short_put"), f"- {{name: n, {OF_PUT}, close: all}}"),
    exits(LAST, "- target: {profit: 30%}", "- {name: e, all: [{profit: {above: 40%}}, {time_in_trade: {above: 1h}}]}"),
    exits(LAST, "- {target: {profit: 40%}, max_age: 2s}", "- {name: more, target: {profit: 50%}}"),
    exits(LAST, "- {stop: {cost: 2x credit}, unknown: exit, order: {then: market}}", "- target: {cost: 0.4x credit}"),
    exits(LAST, "- stop: {loss: 300%}"),
    exits(LAST, "- {target: {profit: 60%}, order: {start: mid, wait: 1m}}"),
    exits(LAST, "- {stop: {loss: 300%}, order: {start: mid, wait: 1m, then: market}}"),
    exits(
        LAST, "- stop: {cost: 30, of: short_put}", "- {name: n, cost: {of: [short_call], above: 30}, close: call_side}"
    ),
    exits(LAST, "- stop: {loss: $900}"),
    exits(LAST, "- leg_delta: {beyond: 0.12}"),
    exits(LAST, "- move: {since: entry, beyond: 0.3%}"),
    exits(LAST, "- {name: n, move: {since: entry, below: -5 pts}}"),
    exits(LAST, "- time_in_trade: {above: 2h}"),
    changed((REQUIRE, "    - credit: {at_least: 3.00}\n"), ("{loss: $50}", "{cost: 2x credit}")),
    seller((OPEN, OPEN + "  when:\n    - no_event: {of: [CPI], until: expiry}\n")),
    seller((OPEN, OPEN + "  when:\n    - no_event: [earnings]\n")),
    seller(("step: 0.01", "step: 0.03")),
    # from the open on by what options cost; after a minute; of an ETF; beside a bar, or a move of the open
    at_open("premium: 1.00"),
    at_open("otm: 30 pts", ("from: open", "from: open + 1m")),
    at_open("otm: 9 pts", ("underlying: SPX", "underlying: SPY"), ("step: 0.05", "step: 0.01"), ("$500", "$50")),
    at_open("otm: 30 pts", (VIX, VIX + "    - opening_range: {is: above, first: 5m}\n")),
    at_open("otm: 30 pts", (VIX, VIX + MOVED), ("entry:", f"{LET}entry:")),
    # nor what waits for a time, or for as long, by itself
    at_open("otm: 30 pts", (VIX, VIX + "    - time: open + 1m\n")),
    at_open("otm: 30 pts", (VIX, "    - {vix: {between: [12, 22]}, confirm: 60s}\n")),
    # what may be sold or bought, and what is closed part by part, may win or lose more than its width or credit
    legs(REVERSAL).replace("profit: 50%", "profit: $5000"),
    legs(BROKEN_WING).replace("profit: 50%", "profit: 150%"),
    exits(LAST, "- {target: {profit: 100%, of: long_put}, close: put_side}"),
    exits(LAST, "- target: {profit: 100%, of: long_put}").replace(RISK, f"{RISK}  undefined_risk: allow\n"),
    exits(LAST, f"- {{name: n, {OF_PUT}}}", "- stop: {loss: $1500}"),
    exits(LAST, f"- {{{within(15)[2:]}}}", f"- {{name: n, {OF_PUT}, unknown: exit}}"),
    exits(LAST, "- {stop: {cost: 12.00}, unknown: exit, order: {then: market}}"),
    exits(LAST, "- {stop: {cost: 2x credit}, unknown: exit, order: market, confirm: 2 quotes}"),
    exits(LAST, "- {vix: {above: 30}, unknown: exit}"),
    changed((RISK, RISK + '  halt_when:\n    - not: {time: "09:45"}\n')),
    exits(
        LAST,
        CENTRE.replace("{time: open + 3h}", "{time: open + 3h}, {dte: {at_most: 0}}").replace(
            "{require", "{expiry: {dte: 1}, require"
        ),
    ),
    # days to expiry that may be chosen, and what may well be confirmed while a position lasts
    weeks("- dte: {at_least: 60}", "- at_expiry: settle"),
    weeks("- dte: {above: 300}", "- at_expiry: settle").replace("nearest: 30", "at_least: 30"),
    weeks("- dte: {above: 300}", "- at_expiry: settle").replace("nearest: 30", "nearest: 200"),
    exits(LAST, "- {vix: {above: 40}, confirm: 5h}"),
    exits(LAST, "- {vix: {above: 40}, confirm: 10000 quotes}"),
    exits(LAST, "- {vix: {above: 40}, confirm: 20h, unknown: exit, order: {then: market}}"),
    exits("- {time: close - 30m, confirm: 10m}"),
    weeks("- {vix: {above: 40}, confirm: 20h}", "- at_expiry: settle"),
    # what ends a part, or is armed on a later day, ends no day
    weeks('- {time: "11:00", close: 50%}', "- sessions_in_trade: {at_least: 5}", "- at_expiry: settle"),
    weeks('- {time: "10:30", activate_when: {sessions_in_trade: {at_least: 1}}}', "- at_expiry: settle"),
    weeks('- {name: half, time: "11:00", close: 50%}', LAST).replace("  max_open: 9\n", "  max_open: 1\n"),
    weeks('- {time: "11:00", close: 50%}', "- at_expiry: settle").replace("- vix: ", '- time: "14:30"\n    - vix: '),
    # a price that is sure to be one
    legs(RATIO + "  require: [credit: {at_least: 0.20}]\n"),
    legs(RATIO).replace("profit: 50%", "profit: $200"),
    legs(RATIO).replace("{profit: 50%}", "{profit: 50%, of: short_puts}\n    close: all"),
    legs(DIAGONAL.replace("below: front, by: 30 pts", "at: front")).replace(BREACH, ""),
    legs(STRADDLE.replace(", within: 5 pts", "") + WINGS).replace(BREACH, ""),
    # of a credit of 0.15 a half is more than a tick, and than commissions
    changed(("at_least: 0.50", "at_least: 0.15")),
    # no entry is made while these are true
    exits(LAST, "- vix: {above: 22}"),
    exits(LAST, "- {name: e, all: [{vix: {above: 20}}, {profit: {below: 10%}}]}"),
    exits(LAST, "- vix_spike: {above: 3 pts}").replace("risk:\n", "risk:\n  halt_when: [vix_spike: {above: 3 pts}]\n"),
    # no entry gets so near to the expiry
    seller(("at_most: 21", "at_most: 0"), ("nearest: 45", "nearest: 3")),
    seller(("at_most: 21", "at_most: 0"), ("nearest: 45", "nearest: 1"), (OPEN, OPEN + "  days: [mon, tue]\n")),
    seller(("SPY", "KO"), ("at_most: 21", "at_most: 0"), ("nearest: 45", "nearest: 4")),
    seller(("{nearest: 45}", "{nearest: 45}, cycle: monthly")),
    seller(
        ("- dte: {at_most: 21}", "- {name: last, all: [{dte: {at_most: 0}}, {time: close - 30m}]}"),
        ("nearest: 45", "at_most: 9"),
    ),
    # what is rolled is another position, of which these are not true; and what keeps its strike and day is none
    exits(LAST, CENTRE.replace("{time: open + 3h}", "{time: open + 3h}, {time_in_trade: {at_least: 1h}}")),
    exits(LAST, CENTRE.replace("{time: open + 3h}", "{time: open + 3h}, {breach: {spot_within: 5 pts}}")),
    exits(LAST, CENTRE.replace("{time: open + 3h}", "{time: open + 3h}, {profit: {at_least: 30%}}")),
    exits(LAST, CENTRE + "\n    activate_when: {profit: {at_least: 30%}}"),
    exits(
        LAST,
        CENTRE.replace(
            "strikes: {short_put: {delta: 0.10}, long_put: {below: short_put, by: 10 pts}}}", "expiry: {dte: 1}}"
        ),
    ),
]


@pytest.mark.parametrize("text", QUIET, ids=range(len(QUIET)))
def test_what_may_well_be_meant_is_let_alone(text: str) -> None:
    assert places(text) == []


def test_an_exit_that_has_to_be_confirmed_for_longer_than_a_position_lasts() -> None:
    (found,) = warnings(exits(LAST, "- {stop: {loss: 80%}, confirm: 20h}"))
    assert (found.code, found.text[found.col - 1 : found.end_col - 1]) == ("RB333", "20h")
    assert found.message.endswith("would have to be true for 20h, and is for 6h at most: this exit never acts")
    (found,) = warnings(exits(LAST, "- {stop: {loss: 80%}, confirm: 100000 quotes}"))
    assert (found.code, found.text[found.col - 1 : found.end_col - 1]) == ("RB333", "100000 quotes")
    assert "would have to be true 100,000 times in a row, and is for 6h at most" in found.message
    assert places(weeks("- {vix: {above: 40}, confirm: 9999h}", "- at_expiry: settle")) == [("RB333", "9999h")]


def test_what_is_confirmed_for_too_long_ends_nothing() -> None:
    assert places(exits("- {time: close - 30m, confirm: 40m}")) == [("RB335", "exits"), ("RB333", "40m")]


def test_days_to_expiry_that_no_entry_has_end_nothing() -> None:
    """It passed as the exit that needs no market data."""
    assert places(weeks("- dte: {above: 300}")) == [("RB335", "exits"), ("RB333", "300")]
    assert places(weeks("- dte: {above: 66}", "- at_expiry: settle")) == [("RB333", "66")]
    assert places(weeks("- dte: {below: 100}", "- at_expiry: settle"))[0] == ("RB229", "100")
    far = seller(("dte: {at_most: 21}", "dte: {above: 60}"), ("nearest: 45", "between: [30, 45]"))
    assert places(far) == [("RB335", "exits"), ("RB333", "60")]
    assert "never true" not in warnings(far)[0].message, "that is said of times of day"


@pytest.mark.parametrize(
    "first",
    [
        'time: "15:30", close: 50%',
        'time: "15:30", activate_when: {profit: {at_least: 30%}}',
        'time: "15:30", close: put_side',
    ],
)
def test_what_may_leave_something_is_no_end_without_data(first: str) -> None:
    text = weeks(f"- {{{first}}}", "- sessions_in_trade: {below: 0}")
    assert [code for code, _ in places(text)] == ["RB335", "RB333"]
    whole = '- {time: "15:30", close: [short_put, long_put, short_call, long_call]}'
    assert "RB335" not in [code for code, _ in places(weeks(whole, "- sessions_in_trade: {below: 0}"))]


def test_a_spec_with_errors_gets_no_warnings() -> None:
    both = exits(LAST, "- target: {profit: 100%}").replace("below: short_put", "below: short_pat")
    assert [code for code, _ in places(both)] == ["RB201"]


def test_without_the_day_nothing_is_said_that_depends_on_it() -> None:
    loaded = load_text(when("no_event: [my_day]").replace('from: "10:00", to: "13:30"', 'from: "13:00", to: "14:00"'))
    assert check(loaded) == []


def test_accepting_what_comes_and_goes_is_never_called_useless() -> None:
    codes = [
        code for code, _ in places(changed(("about:", "accept: {RB320: later, RB315: later, RB332: why}\nabout:")))
    ]
    assert codes == ["RB300"]


# ---------------------------------------------------------------- bots beside each other


def together(*texts: str) -> list[list[tuple[str, str]]]:
    found = check_together([load_text(text) for text in texts])
    return [[(each.code, each.text[each.col - 1 : each.end_col - 1]) for each in of_file] for of_file in found]


def named(name: str, text: str) -> str:
    return text.replace("name: condor", f"name: {name}").replace("name: seller", f"name: {name}")


def test_what_one_sells_and_the_other_buys_is_skipped_by_one_of_them() -> None:
    turned = CONDOR.replace("short_put: {sell", "short_put: {buy").replace("long_put: {buy", "long_put: {sell")
    other = named("other", turned)
    assert together(CONDOR, other) == [[], [("RB350", "short_put"), ("RB350", "long_put")]]
    netted = other.replace("  require:", "  on_conflict: allow\n  require:")
    assert together(CONDOR, netted) == [[("RB350", "short_put"), ("RB350", "long_put")], []]


def test_another_time_delta_or_expiry_is_another_option() -> None:
    bought = named("bought", SELLER).replace("sell: put", "buy: put")
    assert together(SELLER, bought)[1] != []
    for old, new in (("delta: 0.15", "delta: 0.16"), ("nearest: 45", "nearest: 44"), ("open + 1m", "open + 1h")):
        assert together(SELLER, bought.replace(old, new)) == [[], []]
    assert together(SELLER, SELLER.replace("sell: put", "buy: put")) == [[], []], "the same bot twice is no neighbour"


def test_an_entry_of_one_leg_takes_back_what_rests() -> None:
    other = named("other", SELLER).replace(RESTING, "")
    assert together(SELLER, other) == [[("RB351", "resting")], []]
    assert together(SELLER.replace("about:", "accept: {RB351: meant}\nabout:"), other) == [[], []]
    guarded = SELLER.replace(RESTING, "") + "  protect: {cost: 4x credit, of: short_put}\n"
    call = guarded.replace("order:", "  short_call: {sell: call, strike: {delta: 0.15}}\norder:")
    assert together(call, other) == [[("RB351", "protect")], []]
    assert together(call.replace("of: short_put", "of: short_call"), other) == [[], []]
    assert together(CONDOR.replace(RISK, PROTECTED), named("b", CONDOR)) == [[], []], (
        "a combo is no order of one option"
    )


def test_a_combo_that_rests_gives_way_to_any_entry() -> None:
    """Of its four legs two are the other's too, and it is told once."""
    resting = CONDOR.replace(TARGET, f"{TARGET}    resting: true\n")
    assert together(resting, named("b", CONDOR)) == [[("RB351", "resting")], []]
    assert together(resting, named("b", CONDOR).replace("delta: 0.10", "delta: 0.20")) == [[], []]


# ---------------------------------------------------------------- what must be thought of when the language grows


def test_lint_has_looked_at_every_field_of_an_exit() -> None:
    """A new one may arm an exit late, or close a part: `exits.py` must know before it says what never acts."""
    both = "name kind resting order if_unknown grace repeat activate_when roll any_price"
    noun = f"{both} condition enabled path close_all close_part close_legs"
    plan = f"{both} rule basis compares legs part written each"
    assert {field.name for field in fields(Exit)} == set(noun.split())
    assert {field.name for field in fields(ExitPlan)} == set(plan.split())


def test_lint_has_looked_at_every_field_of_an_entry() -> None:
    """Whatever makes or takes an opportunity: `caps.py` and `spans_in_seconds` count them."""
    noun = "start end lasts every once others days per_day per_week max_open again when path"
    assert {field.name for field in fields(Entry)} == set(noun.split())
