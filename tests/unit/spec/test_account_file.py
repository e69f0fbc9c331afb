"""A broken account document is refused with its problems, never with an exception."""

import pytest

from rulebot.spec.load import load_text

WHOLE = """\
rulebot_account: 1
about: Limits over all bots.
account: DU1234567
risk:
  daily_loss: $500
  at_daily_loss: {close: all}
  max_open: 3
  require:
    - worst_case: {at_most: $3000}
    - net_delta: {between: [-50, 50]}
    - any: [{net_gamma: {at_least: 0}}, {time: "10:00"}]
      name: calm
live:
  account: U1234567
  good_for: 20d
  require:
    - compliant_sessions: {at_least: 20}
    - expectancy: {above: $0}
"""
LINES = WHOLE.splitlines(keepends=True)


def codes(text: str) -> set[str]:
    return {each.code for each in load_text(text).diagnostics}


def after_block(place: int) -> list[str]:
    """Return the lines after a key and all that is indented below it."""
    depth = [len(line) - len(line.lstrip()) for line in LINES]
    end = next((at for at in range(place + 1, len(LINES)) if depth[at] <= depth[place]), len(LINES))
    return LINES[end:]


def test_the_whole_document_is_sound() -> None:
    assert codes(WHOLE) == set()
    assert load_text(WHOLE).account is not None


def test_a_document_that_is_cut_anywhere_is_read_or_refused() -> None:
    for end in range(len(WHOLE)):
        loaded = load_text(WHOLE[:end])
        assert (loaded.account is None) == bool(loaded.diagnostics), WHOLE[:end]


@pytest.mark.parametrize("value", ["", " null", " 5", " text", " [a, 5]", " {a: 1}", " {between: [2, 1]}"])
def test_a_key_with_any_value_is_read_or_refused(value: str) -> None:
    for place, line in enumerate(LINES):
        key = line.partition(":")[0]
        text = "".join([*LINES[:place], f"{key}:{value}\n", *after_block(place)])
        loaded = load_text(text)
        assert (loaded.account is None) == bool(loaded.diagnostics), text


def test_a_document_without_risk_is_refused() -> None:
    assert codes("rulebot_account: 1\nabout: Limits.\n") == {"RB113"}


def test_at_daily_loss_without_a_daily_loss_is_refused() -> None:
    assert codes(WHOLE.replace("  daily_loss: $500\n", "")) == {"RB250"}
