"""A choice of structures and a universe of symbols: in words, and what an edit of them means."""

from rulebot.review.change.field import Kind
from tests.unit.review.test_change_marks import change_at, compared
from tests.unit.review.test_sections import reported

CHOICE = """\
rulebot: 1
name: many
about: A bot of many structures.
universe:
  symbols: [SPY, QQQ]
  require:
    - quote_width: {at_most: 5%}
  rank: {by: credit, highest: 1}
entry: {window: {from: "10:00", to: "13:30"}, per_day: 1}
legs:
  expiry: {dte: 0}
  choose:
    - name: dear
      when:
        - vix: {above: 20}
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
    - name: cheap
      long_call: {buy: call, strike: {at: spot}}
      short_call: {sell: call, strike: {above: long_call, by: 5 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
risk:
  max_loss_per_trade: $1000
"""


def edited(old: str, new: str) -> str:
    assert old in CHOICE, old
    return CHOICE.replace(old, new, 1)


def test_it_is_shown_how_symbols_and_alternatives_are_taken() -> None:
    text = reported(CHOICE)
    assert "Universe  2 symbols, one position each: SPY and QQQ" in text
    assert "of those whose conditions hold the one with the highest credit, of the legs it would take" in text
    assert "the first of these that holds is taken; one that is unknown ends the choice without a trade:" in text
    assert "dear      quantity 1; same-day SPY options:" in text
    assert "target  at a profit of 50% of the credit" in text
    assert "target  at a profit of 50% of the debit" in text
    assert text.count("30 s without data") == 1


def test_an_edit_of_one_alternative_stands_at_its_place() -> None:
    found = compared(CHOICE, edited("delta: 0.10", "delta: 0.15"))
    assert [change.path for change in found.changes] == ["legs.choose.dear.short_put.strike"]
    assert found.changes[0].is_worse


def test_when_an_alternative_is_taken_more_often_it_is_marked() -> None:
    change = change_at(compared(CHOICE, edited("vix: {above: 20}", "vix: {above: 18}")), "legs.choose.dear.when.vix")
    assert change.is_worse


def test_an_edit_of_an_exit_is_reported_for_each_alternative_with_its_own_price() -> None:
    found = compared(CHOICE, edited("profit: 50%", "profit: 40%"))
    assert [(change.path, change.new) for change in found.changes] == [
        ("exits.target", "at a profit of 40% of the credit"),
        ("exits.target", "at a profit of 40% of the debit"),
    ]


def test_another_order_of_alternatives_is_another_choice() -> None:
    expensive = CHOICE[CHOICE.index("    - name: dear") : CHOICE.index("    - name: cheap")]
    cheap = CHOICE[CHOICE.index("    - name: cheap") : CHOICE.index("order:")].replace(
        "name: cheap\n", "name: cheap\n      when:\n        - vix: {below: 30}\n"
    )
    old = CHOICE.replace(CHOICE[CHOICE.index("    - name: cheap") : CHOICE.index("order:")], cheap)
    new = old.replace(expensive + cheap, cheap + expensive)
    (change,) = compared(old, new).changes
    assert (change.path, change.old, change.new) == ("legs.choose", "dear and cheap", "cheap and dear")
    assert change.is_worse


def test_an_alternative_less_is_reported() -> None:
    expensive = CHOICE[CHOICE.index("    - name: dear") : CHOICE.index("    - name: cheap")]
    third = expensive.replace("name: dear", "name: third").replace("above: 20", "above: 15")
    found = compared(CHOICE.replace(expensive, expensive + third), CHOICE)
    assert [(change.kind, change.path) for change in found.changes] == [(Kind.REMOVED, "legs.choose.third")]


def test_the_worst_case_is_that_of_the_worst_alternative() -> None:
    bound = "      require: [{debit: {at_most: 2.00}}]\n"
    old = edited("above: long_call, by: 5 pts}}\n", "above: long_call, by: 5 pts}}\n" + bound)
    narrow, wide = (
        old.replace("below: short_put, by: 5 pts", f"below: short_put, by: {width} pts") for width in (2, 4)
    )
    found = compared(narrow, wide)
    assert found.losses[0].now is not None
    assert found.losses[0].was is not None
    assert found.losses[0].now > found.losses[0].was


def test_edits_of_a_universe_are_marked() -> None:
    found = compared(CHOICE, edited("[SPY, QQQ]", "[SPY, QQQ, AAPL]"))
    assert change_at(found, "underlying").is_worse
    found = compared(CHOICE, edited("highest: 1", "lowest: 1"))
    assert change_at(found, "universe.rank").new == "the one with the lowest credit"
    found = compared(CHOICE, edited("at_most: 5%", "at_most: 9%"))
    assert change_at(found, "universe.require.universe.quote_width").is_worse


PUTS = """\
rulebot: 1
name: puts
about: A bot of two put spreads, which have their short leg in common.
underlying: SPX
entry: {window: {from: "10:00", to: "13:30"}}
legs:
  expiry: {dte: 0}
  choose:
    - name: dear
      when:
        - vix: {above: 20}
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
      require:
        - quote_width: {at_most: 0.30, of: short_put}
    - name: cheap
      short_put: {sell: put, strike: {delta: 0.15}}
      far_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - breach: {spot_within: 5 pts, of: short_put}
risk: {max_loss_per_trade: $1000, protect: {cost: 4x credit}}
"""


def test_what_alternatives_share_is_reported_once_with_what_it_comes_to_in_each() -> None:
    (change,) = compared(PUTS, PUTS.replace("4x credit", "5x credit")).changes
    assert (change.path, change.old, change.new) == ("risk.protect", "4x credit", "5x credit")
    assert change.words == "dear: short_put at 2.00 -> short_put at 2.50; cheap: short_put at 5.60 -> short_put at 7.00"


def test_a_leg_that_is_renamed_in_every_alternative_is_followed_to_all_that_names_it() -> None:
    found = compared(PUTS, PUTS.replace("short_put", "sold"))
    assert [(each.path, each.was_path, each.kind) for each in found.changes] == [
        ("legs.choose.dear.sold", "legs.choose.dear.short_put", Kind.RENAMED),
        ("legs.choose.cheap.sold", "legs.choose.cheap.short_put", Kind.RENAMED),
    ]


def test_a_leg_that_one_alternative_alone_has_is_followed() -> None:
    (change,) = compared(PUTS, PUTS.replace("far_put", "lower")).changes
    assert (change.path, change.words[:13]) == ("legs.choose.cheap.lower", "the same leg;")


def test_an_alternative_that_is_only_renamed_is_the_same_structure() -> None:
    new = PUTS.replace("name: dear", "name: rich").replace("tries: 6", "tries: 5")
    found = {each.path: each.kind for each in compared(PUTS, new).changes}
    assert found == {"legs.choose.rich": Kind.RENAMED, "order.tries": Kind.CHANGED}


def test_one_name_for_other_legs_of_two_alternatives_follows_neither() -> None:
    found = compared(PUTS, PUTS.replace("far_put", "bought").replace("long_put", "bought"))
    assert {change.words for change in found.changes} == {"only its name"}
