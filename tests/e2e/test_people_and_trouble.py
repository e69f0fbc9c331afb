"""Others act in the account while the store, a clock or the connection fails: short options stay protected (D16).

Each pair is one trial of chaos. What a person closes is not reported: to the engine a transfer out of the account, or
an execution without a report, looks the same.
"""

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest

from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import CLOCK, ChaosScenario, Entry, OperatorAction
from rulebot.chaos.seeds import sized
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.order import Purpose
from rulebot.model.session import EXCHANGE_ZONE, session_from
from rulebot.spec.files import shipped

SESSION = session_from(date(2026, 10, 21))
ACTS_AT = timedelta(minutes=8)
"""How long after the open others act; trouble begins ten seconds before."""
OTHERS = ("person_halves", "person_closes_leg", "person_adds", "person_cancels_all", "liquidation", "assignment")
TROUBLE = ("store_busy", "disk_full", CLOCK, "silence")
ACCOUNT = """rulebot_account: 1
about: Lets a trial sell several puts.
risk: {max_contracts_per_order: 40, max_notional_per_order: $25000000, cash_secured_puts: ignore}
"""


@cache
def desk(folder: Path) -> LoadedBots:
    """Return four puts with a stop and a target that rest, beside a condor of two whose stop is watched."""
    condor = (shipped("specs") / "dte0_condor.yaml").read_text(encoding="utf-8")
    (folder / "dte0_condor.yaml").write_text(condor.replace('from: "09:45", to: "10:00"', 'from: "09:32", to: "09:36"'))
    put = Path(__file__).with_name("hand_put.yaml").read_text(encoding="utf-8")
    (folder / "hand_put.yaml").write_text(
        put.replace('time: "09:44"', 'time: "15:30"').replace("quantity: 4", "quantity: 2")
    )
    (folder / "account.yaml").write_text(ACCOUNT)
    paths = [str(folder / f"{name}.yaml") for name in ("dte0_condor", "hand_put")]
    return sized(load_all_bots(paths, {}, folder / "account.yaml"), 2)


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> LoadedBots:
    return desk(tmp_path_factory.mktemp("bots"))


def storm(act: str, trouble: str) -> ChaosScenario:
    at = SESSION.open + ACTS_AT
    faults: list[Entry] = [{"kind": act, "at": f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}", "seconds": 0}]
    acts: tuple[OperatorAction, ...] = ()
    before = at - timedelta(seconds=10)
    if trouble == "silence":
        faults.append({"kind": "silence", "at": f"{before.astimezone(EXCHANGE_ZONE):%H:%M:%S}", "real_seconds": 50})
    elif trouble == CLOCK:
        acts = (OperatorAction(kind=CLOCK, at=before, seconds=6 * 3600),)
    else:
        acts = (OperatorAction(kind=trouble, at=before, times=90),)
    return ChaosScenario(
        seed=7,
        day=SESSION.date,
        market=None,
        begins=SESSION.open - timedelta(seconds=30),
        calm_at=SESSION.open + ACTS_AT + timedelta(minutes=3),
        faults=tuple(faults),
        acts=acts,
        lockstep=False,
        sends_time=trouble == CLOCK,
    )


def check(left: ChaosResult, bots: LoadedBots, act: str) -> None:
    """Check that nothing is broken, that the act came with positions open, and that stops are of the account's size."""
    assert judge(left, bots) == {}
    assert left.day.entered == {"dte0_condor", "hand_put"}
    assert left.kinds_fired_open[act] == 1
    (puts,) = [each for each in left.day.positions.values() if each.bot == "hand_put"]
    stops = [order for order in left.day.orders.values() if order.purpose is Purpose.STOP and order.status.is_live]
    held = puts.common.legs[0].held
    assert sum(order.remaining for order in stops) == held


@pytest.mark.parametrize(("act", "trouble"), [("person_halves", "disk_full"), ("liquidation", "silence")])
def test_short_options_stay_protected(act: str, trouble: str, bots: LoadedBots, tmp_path: Path) -> None:
    check(run_scenario(storm(act, trouble), bots, tmp_path), bots, act)


@pytest.mark.long
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("act", OTHERS)
def test_so_it_is_with_each_act_and_each_trouble(act: str, trouble: str, bots: LoadedBots, tmp_path: Path) -> None:
    check(run_scenario(storm(act, trouble), bots, tmp_path), bots, act)
