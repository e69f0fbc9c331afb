"""Whatever web hooks come, in any order, twice and late: an engine that starts anew knows what the dead one did."""

from dataclasses import replace
from datetime import timedelta

from hand_desk import Desk, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.model.event import WebhookReceived
from rulebot.model.facts import EventCalendar
from rulebot.recovery.resume import resume

ENTRY = '\n  window: {from: "10:00", to: "15:00"}\n  when:\n    - webhook: {name: a, says: up, within: 10m}\n'
COMING = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "up", "down"]), st.integers(1, 8), st.integers(0, 90))


@settings(max_examples=tries(25))
@given(st.lists(st.tuples(COMING, st.booleans()), max_size=12))
def test_a_restart_folds_the_same_hooks(coming: list[tuple[tuple[str, str, int, int], bool]]) -> None:
    desk = Desk((text_of(entry=ENTRY),))
    desk.state = desk.state._replace(
        market=replace(desk.state.market, facts=replace(desk.state.market.facts, hooks={}))
    )
    received: dict[int, tuple[str, str, int]] = {}
    for (name, says, number, late), dies in coming:
        desk.tick(20)
        came = desk.now - timedelta(seconds=late)
        desk.send(WebhookReceived(at=desk.now, id=f"h{number}", name=name, says=says, came=came))
        received.setdefault(number, (name, says, int(came.timestamp())))
        found = resume(desk.records, desk.now, desk.board, EventCalendar(), takes_hooks=True).state
        assert (found.market.facts.hooks, found.requests.hook_ids) == (
            desk.state.market.facts.hooks,
            desk.state.requests.hook_ids,
        )
        if dies:
            desk.state = desk.state._replace(
                requests=replace(desk.state.requests, hook_ids=found.requests.hook_ids),
                market=replace(
                    desk.state.market, facts=replace(desk.state.market.facts, hooks=found.market.facts.hooks)
                ),
            )
    last: dict[str, tuple[int, str]] = {}
    for name, says, at in received.values():  # each id once, in the order in which it was first heard
        if name not in last or at >= last[name][0]:
            last[name] = (at, says)
    assert desk.state.market.facts.hooks is not None
    assert {name: (int(hook.came), hook.says) for name, hook in desk.state.market.facts.hooks.items()} == last
