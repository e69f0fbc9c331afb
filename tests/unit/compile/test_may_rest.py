"""Which targets and stops of several legs may rest at the broker."""

import pytest
from document import CONDOR, changed, plan_of, problems

TARGET = "  - target: {profit: 50%}\n"
RESTS = f"{TARGET}    resting: true\n"
ONE_BY_ONE = "leg_by_leg: [short_put, long_put, short_call, long_call], then: unwind"


def rests(text: str = CONDOR) -> str:
    """Return the condor with a target that rests."""
    assert TARGET in text
    return text.replace(TARGET, RESTS, 1)


@pytest.mark.parametrize("level", ["profit: 50%", "profit: $60", "cost: 0.40", "cost: 0.5x credit"])
def test_the_target_of_a_condor_may_rest(level: str) -> None:
    text = rests().replace("target: {profit: 50%}", f"target: {{{level}}}")
    assert [planned.name for planned in plan_of(text).exits if planned.resting] == ["target"]


REFUSED = {
    "stop of a combo": (
        changed("    confirm: 2 quotes", "    resting: true"),
        "'stop' closes 4 legs, and only a target of several legs rests: the broker may take no stop order of a combo",
    ),
    "second target": (
        rests().replace(RESTS, f"{RESTS}  - target: {{cost: 0.10}}\n    name: cheap\n    resting: true\n"),
        "'target' rests already, and both would close the same 4 legs",
    ),
    "leg by leg": (
        rests().replace("then: cancel", ONE_BY_ONE, 1),
        "'target' cannot rest: its legs are entered one by one, and only what one order opens rests as one",
    ),
    "two expiries": (
        rests().replace("long_call: {buy: call,", "long_call: {buy: call, expiry: {dte: 1},", 1),
        "'target' cannot rest: its legs expire on different days, and its order would end with the first",
    ),
    "one side": (
        rests().replace("target: {profit: 50%}", "target: {profit: 50%, of: each_side}"),
        "'target' rests at the broker, and a resting order closes all that is held",
    ),
    "a half": (
        rests().replace(RESTS, f"{RESTS}    close: 50%\n"),
        "'target' rests at the broker, and what rests closes all that is held",
    ),
    "beside protective stops": (
        f"{rests().rstrip()}\n  protect: {{cost: 4x credit}}\n",
        "'target' rests at the broker already: both would close the same leg",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_rest_is_refused_with_the_reason(name: str) -> None:
    text, message = REFUSED[name]
    assert message in [problem.message for problem in problems(text)]
