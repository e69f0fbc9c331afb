"""A connection that stalls or breaks at any request of a start: the run goes on, and so do its exits.

A start without a position may enter once the connection is there again; one with a position closes it at its time.
"""

from pathlib import Path

import pytest

from rulebot.adapters.ib.broker import IbBroker
from rulebot.model.errors import BrokerError
from rulebot.model.order import Order, Purpose
from rulebot.record.record import Kind
from tests.wire.connection_trial import PHASES, Breakage, Outcome, live_through

BOT = """
rulebot: 1
name: linked
about: Sells one put spread on SPX and closes it by the clock. Its rules read bars and the broker's margin.
underlying: SPX
entry:
  window: {from: "09:35", to: "11:00"}
  when:
    - rsi: {bars: 5m, at_least: 0}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 20 pts}}
  require:
    - margin: {at_most: $90000}
order: {start: natural, tries: 4}
exits:
  - time: "09:40"
risk: {max_loss_per_trade: $2500}
"""
WITH_POSITION = (("9:33", "9:36"), ("9:38", "9:42"))
WITHOUT = (("9:36", "9:42"),)
HELD_OR_FLAT = [
    pytest.param(WITH_POSITION, id="held"),
    pytest.param(WITHOUT, id="ci flat", marks=pytest.mark.long),
]
"""Where the connection breaks: at the second start, which has a position, or at the only one, which has none."""


def broken_start(folder: Path, breakage: Breakage, lives: tuple[tuple[str, str], ...]) -> Outcome:
    """Return what a start comes to whose connection breaks; the one before it, if there is one, is left alone."""
    spec = folder / "linked.yaml"
    spec.write_text(BOT)
    found = live_through(folder, [spec], breakage, lives=lives)
    assert breakage.done == 1
    return found


def check_went_on(found: Outcome) -> None:
    """Check that no run ended by itself, that the position was opened and closed, and that nothing is held."""
    assert found.problems == []
    assert all(record.data["is_clean"] for record in found.of(Kind.RUN_ENDED))
    fills = [(record.data["leg"], record.data["purpose"]) for record in found.of(Kind.FILL)]
    assert sorted(fills) == sorted((leg, purpose) for leg in ("short_put", "long_put") for purpose in ("entry", "exit"))
    assert found.held == {}


@pytest.mark.parametrize("lives", HELD_OR_FLAT)
@pytest.mark.parametrize("phase", PHASES)
def test_20_a_start_whose_connection_stalls_for_50_seconds_continues(
    phase: str, lives: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    check_went_on(broken_start(tmp_path, Breakage(phase, "stall"), lives))


@pytest.mark.parametrize("lives", [WITH_POSITION, WITHOUT], ids=["held", "flat"])
@pytest.mark.parametrize("how", ["reset", *(pytest.param(how, marks=pytest.mark.long) for how in ("fin", "mid frame"))])
@pytest.mark.parametrize("phase", PHASES)
def test_18_a_start_whose_connection_is_cut_continues(
    phase: str, how: str, lives: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    check_went_on(broken_start(tmp_path, Breakage(phase, how), lives))


@pytest.mark.parametrize("lives", HELD_OR_FLAT)
@pytest.mark.parametrize("phase", [each for each in PHASES if each not in ("handshake", "market data", "what-if")])
def test_40_a_start_with_one_question_that_is_never_answered_continues(
    phase: str, lives: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    check_went_on(broken_start(tmp_path, Breakage(phase, "unanswered"), lives))


@pytest.mark.parametrize("is_entry", [True, False], ids=["entry", "exit"])
def test_an_order_that_cannot_be_sent_fails_alone(
    is_entry: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, failed = IbBroker._written, []

    def fails(broker: IbBroker, order: Order, *, is_change: bool) -> object:
        if order.ref and order.bot == "linked" and (order.purpose is Purpose.ENTRY) is is_entry and len(failed) < 2:
            failed.append(order.ref)
            raise BrokerError("the broker's contract id of a leg is not known")
        return written(broker, order, is_change=is_change)

    monkeypatch.setattr(IbBroker, "_written", fails)
    specs = [tmp_path / f"{name}.yaml" for name in ("linked", "other")]
    for spec in specs:
        spec.write_text(BOT.replace("linked", spec.stem))
    found = live_through(tmp_path, specs, None, lives=(("9:34", "9:42"),))
    assert found.problems == []
    assert failed
    reported = f"rulebot could not send {failed[0]}: the broker's contract id of a leg is not known"
    assert reported in found.alarms()
    fills = {(record.bot, record.data["purpose"]) for record in found.of(Kind.FILL)}
    assert {("other", "entry"), ("other", "exit")} <= fills
    assert (("linked", "entry") in fills, ("linked", "exit") in fills) == (not is_entry, not is_entry)
    assert found.held == {}
