"""What `rulebot chaos` says of seeds that break something."""

from rulebot.chaos.generator import CHOICE
from rulebot.chaos.seeds import ChaosOptions, SeedResult, SeedTally, SmallestScenario, worth_shrinking
from rulebot.cli.past.chaos import _command, _document, _lines

PLAN = '# crash: after write 2\nfaults:\n  - kind: "cut"\n    at: "10:31:00"\n'


def tried(seed: int, *broken: int) -> SeedResult:
    return SeedResult(
        seed=seed,
        violations={number: (f"what is wrong with {number}",) for number in broken},
        fired={"cut fin": 1, "crash at": seed},
        starts=2,
        orders=3,
        fills=1,
        trace="f" * 64,
        seconds=1.0,
        drawn=PLAN,
        opened=frozenset({"a"} if seed == 3 else ()),
    )


ASKED = ChaosOptions(specs=("my specs/a.yaml",), overrides={"x": "1"}, kinds=CHOICE)
TALLY = SeedTally(
    (tried(1), tried(2, 4), tried(3, 4), tried(4, 4, 23), tried(5, 4)), (SmallestScenario(2, PLAN, {4: ("less",)}),)
)


def test_each_set_of_invariants_is_shrunk_once() -> None:
    assert worth_shrinking(TALLY.tried) == [2, 4]
    assert worth_shrinking([tried(seed, seed) for seed in range(1, 20)]) == [1, 2, 3, 4, 5]


def test_a_broken_invariant_has_its_first_seeds_and_the_smallest_plan() -> None:
    text = "\n".join(_lines(TALLY, ("cut", "crash"), ("a", "b", "c"), "rulebot chaos --seed {seed}", 3.0))
    assert "  4  BROKEN     1 of 5  books equal" in text
    assert " 23  BROKEN     4 of 5  " in text
    assert "  8  holds      5 of 5  " in text
    assert "       seed 2: what is wrong with 4" in text
    assert "       and 1 more: 5" in text
    assert " seed 2, again with: rulebot chaos --seed 2\n   4: less\n" in text
    assert '     # crash: after write 2\n     faults:\n       - kind: "cut"\n         at: "10:31:00"' in text
    assert " what fired (2 kinds, 20 times): crash at 15, cut fin 5" in text
    assert " what never fired (10 kinds): cut mid_frame, cut reset, crash before write, crash after write, " in text
    assert " what never opened a position (2 bots): b, c" in text
    assert " 5 seeds, 10 starts, 15 orders, 5 executions in 3 s" in text


def test_the_command_repeats_a_seed_as_it_was_asked_for() -> None:
    again = _command(ASKED, "cut,crash", ("x=1",))
    assert again.format(seed=7) == ("rulebot chaos --seeds 1 --seed 7 --faults cut,crash --set x=1 'my specs/a.yaml'")


def test_machines_get_traces_and_plans() -> None:
    found = _document(TALLY, ASKED, ("a", "b"))
    assert found["holds"] is False
    assert found["seeds"][1]["trace"] == "f" * 64
    assert found["seeds"][1]["violations"] == {"4": ["what is wrong with 4"]}
    assert found["smallest"] == [{"seed": 2, "plan": PLAN, "violations": {"4": ["less"]}}]
    assert [each["number"] for each in found["invariants"] if each["broken_by"]] == [4, 23]
    assert found["fired"] == {"cut fin": 5, "crash at": 15}
    assert "cut reset" in found["never_fired"]
    assert "cut fin" not in found["never_fired"]
    assert found["never_opened"] == ["b"]
    assert [each["opened"] for each in found["seeds"]] == [[], [], ["a"], [], []]
