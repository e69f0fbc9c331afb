"""Greeks of legs and of the structure, each against a value worked out by hand, before an entry and of a position."""

import pytest

from rulebot.measure.definition import Place
from rulebot.measure.reading import AtLeast, UnknownValue
from rulebot.measure.view import View
from rulebot.measures.registry import VOCABULARY
from tests.unit.measures.market_view import NAN, NOW, condor, read, view

OF_LEGS = ("leg_delta", "leg_gamma", "leg_theta", "leg_vega")
OF_STRUCTURE = ("position_delta", "position_gamma", "position_theta", "position_vega")


def with_greeks(*, held: bool) -> View:
    """Return the condor: gamma, theta and vega a share of each leg, put short, put long, call short, call long."""
    at = condor(view(), held=held)
    for leg, gamma, theta, vega in zip(
        at.legs, (0.004, 0.003, 0.005, 0.002), (-0.9, -0.5, -1.1, -0.4), (0.6, 0.4, 0.8, 0.3), strict=True
    ):
        at.board.gamma[leg.row], at.board.theta[leg.row], at.board.vega[leg.row] = gamma, theta, vega
    return at


@pytest.mark.parametrize("held", [False, True])
def test_legs_are_sizes_of_one_contract(held: bool) -> None:
    at = with_greeks(held=held)
    assert read(at, "leg_gamma") == 0.005
    assert read(at, "leg_theta") == pytest.approx(110.0)
    assert read(at, "leg_vega") == pytest.approx(80.0)
    assert read(at, "leg_theta", of=("long_put",)) == pytest.approx(50.0)


@pytest.mark.parametrize("held", [False, True])
def test_the_structure_is_a_sum_with_signs(held: bool) -> None:
    at = with_greeks(held=held)
    assert read(at, "position_delta") == pytest.approx(100 * (0.12 - 0.06 - 0.10 + 0.05))
    assert read(at, "position_gamma") == pytest.approx(100 * (-0.004 + 0.003 - 0.005 + 0.002))
    assert read(at, "position_theta") == pytest.approx(100 * (0.9 - 0.5 + 1.1 - 0.4))
    assert read(at, "position_vega") == pytest.approx(100 * (-0.6 + 0.4 - 0.8 + 0.3))


@pytest.mark.parametrize("measure", OF_LEGS)
def test_a_leg_without_a_model_leaves_a_bound(measure: str) -> None:
    at = with_greeks(held=True)
    column = measure.removeprefix("leg_")
    getattr(at.board, column)[at.legs[0].row] = NAN
    found = read(at, measure)
    assert isinstance(found, AtLeast)
    assert found.reason == f"short_put: no {column}"


@pytest.mark.parametrize("measure", OF_STRUCTURE)
def test_a_stale_leg_leaves_the_structure_unknown(measure: str) -> None:
    at = with_greeks(held=True)
    at.board.model_at[at.legs[1].row] = NOW - 400.0
    found = read(at, measure)
    assert isinstance(found, UnknownValue)
    assert found.reason == f"long_put: {measure.removeprefix('position_')}: stale for 400 s"


@pytest.mark.parametrize("measure", [*OF_LEGS, *OF_STRUCTURE, "probability_in_the_money"])
def test_they_stand_in_require_and_in_exits(measure: str) -> None:
    assert VOCABULARY[measure].places == {Place.REQUIRE, Place.EXIT}
