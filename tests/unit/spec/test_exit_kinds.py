"""The rows of exit kinds, and that nothing else in the engine asks for a kind by its name."""

import json
import re
from pathlib import Path

import pytest

from rulebot.model.order import OrderType, Purpose
from rulebot.spec.exit_kinds import EXIT_KEYS, LEVELS, ExitKind
from rulebot.spec.files import shipped

ENGINE = Path(__file__).parents[3] / "engine" / "rulebot"
NAMES_A_KIND = {
    "spec/sections.py": "a rule without the key of a kind is a condition, and so is a halt that closes",
    "narrate/snapshot_of_state.py": "what a position makes at its target and at its stop is shown",
    "core/session/position_marks.py": "what a position makes at its stop is recorded",
    "compile/lint/outcomes.py": "a rule that is no target is asked at which profit it would be one",
}


def test_every_key_of_a_kind_is_a_key_of_exits_in_the_schema() -> None:
    assert set(EXIT_KEYS) <= set(
        re.findall(r'"(\w+)": \{', shipped("schemas").joinpath("strategy.schema.json").read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("kind", LEVELS.values(), ids=list(LEVELS))
def test_a_level_takes_a_profit_or_limits_a_loss(kind: ExitKind) -> None:
    assert kind.takes_profit is not kind.limits_loss


def test_what_rests_for_a_target_never_passes_its_price_and_what_rests_for_a_stop_fills_at_any() -> None:
    target, stop = ExitKind.TARGET.traits.resting, ExitKind.STOP.traits.resting
    assert target is not None
    assert stop is not None
    assert (target.order_type, target.purpose, target.acts_at_market) == (OrderType.LIMIT, Purpose.TARGET, False)
    assert (stop.order_type, stop.purpose, stop.acts_at_market) == (OrderType.STOP, Purpose.STOP, True)


def test_a_kind_survives_a_copy_by_its_word() -> None:
    assert all(ExitKind(json.loads(json.dumps(kind.value))) is kind for kind in ExitKind)


def test_no_other_module_asks_for_a_kind_by_its_name() -> None:
    files = {file.relative_to(ENGINE).as_posix(): file.read_text(encoding="utf-8") for file in ENGINE.rglob("*.py")}
    named = {name for name, text in files.items() if re.search(r"\bExitKind\.[A-Z]", text)}
    assert named - {"spec/exit_kinds.py"} == NAMES_A_KIND.keys()
