"""What may protect short legs, and what cannot."""

from pathlib import Path

import pytest

from rulebot.compile.build import build_plan, check
from rulebot.compile.plan import ProtectPlan
from rulebot.spec.files import shipped
from rulebot.spec.load import load_text

CONDOR = (shipped("specs") / "dte0_condor.yaml").read_text(encoding="utf-8")
SELLER = (shipped("specs") / "spy_put_seller.yaml").read_text(encoding="utf-8")
BOUGHT = (Path(__file__).parents[3] / "examples" / "debit_spread.yaml").read_text(encoding="utf-8")
BOUGHT = BOUGHT.replace("risk: {max_loss_per_trade: $1500}", "\nrisk:\n  max_loss_per_trade: $1500")


def with_risk(text: str, *lines: str) -> str:
    head, _, rest = text.partition("\nrisk:\n")
    return head + "\nrisk:\n" + "".join(f"  {line}\n" for line in lines) + rest


def codes(text: str) -> list[str]:
    loaded = load_text(text)
    return [found.code for found in (*loaded.diagnostics, *check(loaded)) if found.is_error]


def test_a_sold_structure_may_be_protected() -> None:
    text = with_risk(CONDOR, "protect: {cost: 4x credit, of: each_short}", "max_time_without_stop: 5s")
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, _ = build_plan(loaded.spec, loaded.source)
    assert plan is not None
    assert plan.risk.protect == ProtectPlan(loaded.spec.risk.protect.times, True)  # type: ignore[union-attr]
    assert (plan.risk.protect.times, plan.risk.max_time_without_stop) == (4, 5.0)


@pytest.mark.parametrize(
    ("text", "lines", "code"),
    [
        (SELLER, ("protect: {cost: 4x credit}",), "RB226"),
        (BOUGHT, ("protect: {cost: 4x credit}",), "RB205"),
        (CONDOR, ("protect: {cost: 0.9x credit}",), "RB226"),
        (CONDOR, ("max_time_without_stop: 5s",), "RB226"),
        (CONDOR, ("protect: {cost: 4x credit}", "max_time_without_stop: 0s"), "RB250"),
        (CONDOR, ("protect: {of: each_short}",), "RB113"),
        (CONDOR, ("protect: {cost: 4x credit, of: long_put}",), "RB226"),
        (CONDOR, ("protect: {cost: 4x credit, of: short_putt}",), "RB201"),
        (CONDOR, ("protect: {cost: 4x credit, of: short_legs}",), "RB201"),
        (CONDOR, ("protect: {cost: 1x credit, of: short_put}",), "RB226"),
    ],
)
def test_what_cannot_stand_is_said(text: str, lines: tuple[str, ...], code: str) -> None:
    assert code in codes(with_risk(text, *lines))


def test_one_short_leg_may_be_protected() -> None:
    loaded = load_text(with_risk(CONDOR, "protect: {cost: 4x credit, of: short_put}"))
    assert loaded.spec is not None, loaded.diagnostics
    plan, _ = build_plan(loaded.spec, loaded.source)
    assert plan is not None
    assert plan.risk.protect == ProtectPlan(loaded.spec.risk.protect.times, False, "short_put")  # type: ignore[union-attr]


def test_a_short_leg_of_what_is_bought_has_a_price_of_its_own() -> None:
    assert codes(with_risk(BOUGHT, "protect: {cost: 4x credit, of: short_call}")) == []


def test_a_limit_asks_for_a_stop_on_every_short_leg() -> None:
    limit = "max_time_without_stop: 30s"
    assert codes(with_risk(CONDOR, "protect: {cost: 4x credit, of: short_put}", limit)) == ["RB226"]
    assert codes(with_risk(BOUGHT, "protect: {cost: 4x credit, of: short_call}", limit)) == []


def test_every_alternative_has_the_leg_that_is_protected() -> None:
    text = (Path(__file__).parents[3] / "examples" / "choose.yaml").read_text(encoding="utf-8")
    text = text.replace("\nrisk: {", "\nrisk: {protect: {cost: 4x credit, of: short_put}, ")
    loaded = load_text(text)
    found = [each for each in (*loaded.diagnostics, *check(loaded)) if each.is_error]
    assert [(each.code, each.message) for each in found] == [("RB201", "with 'cheap': unknown leg 'short_put'")]


def test_a_resting_stop_is_protection_enough_for_a_limit() -> None:
    assert codes(with_risk(SELLER, "max_time_without_stop: 30s")) == []


def test_nothing_sold_is_nothing_to_protect() -> None:
    lines = [line for line in BOUGHT.splitlines() if "short_call" not in line]
    assert "RB226" in codes(with_risk("\n".join(lines), "max_time_without_stop: 5s"))
