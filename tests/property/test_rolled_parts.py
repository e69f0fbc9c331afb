"""Condors of which sides are rolled while a broker answers at random, judged as `test_one_position.py` does."""

from hand_desk import CONDOR, call, put, text_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from test_one_position import OnePosition
from tries import tries

from rulebot.model.order import Purpose

SHORTS = (put(5945), call(6055))


class RollingSides(OnePosition):
    """Three condors. The put side rolls down when VIX rises, each side to a later expiry when it costs too much, and
    all of what is left as time goes by.
    """

    otherwise = "hold"
    ending = ""

    def text(self) -> str:
        order = "    order: {start: mid, step: 0.05, wait: 10s, tries: 3}"
        exits = f"""
  - time: "15:45"
  - name: down
    vix: {{above: 20}}
    close: put_side
    roll: {{strikes: {self.away(75)}, else: {self.otherwise}}}
{order}
  - name: further_down
    vix: {{above: 25}}
    close: put_side
    roll: {{strikes: {self.away(85)}, else: {self.otherwise}}}
{order}
  - name: onward
    cost: {{at_least: 1.5x credit, of: each_side}}
    roll: {{expiry: {{dte: {{at_least: 1}}}}, require: [{{credit: {{at_least: 0.05}}}}], else: {self.otherwise}}}
{order}
  - name: all_onward
    time_in_trade: {{at_least: 90s}}
    roll: {{expiry: {{dte: {{at_least: 1}}}}, else: {self.otherwise}}}
{order}
{self.ending}  - stop: {{cost: 3x credit, of: each_side}}
"""
        risk = "{max_loss_per_trade: $30000}"
        return text_of(entry='{at: "10:00"}', quantity="3", legs=CONDOR, exits=exits, risk=risk)

    def away(self, points: int) -> str:
        return f"{{short_put: {{otm: {points} pts}}, long_put: {{below: short_put, by: 10 pts}}}}"

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"

    @initialize(filled=st.sampled_from([0, 1, 3, 3, 3]), rolled=st.sampled_from([-1, 0, 1, 3, 3]))
    def start(self, filled: int, rolled: int = -1) -> None:
        """A side is rolled from the start on, and so much of it is filled; -1: none is yet."""
        super().start(filled)
        later = self.desk.expiry_90
        for kind, near, far, sign in ((put, 5945, 5935, -1), (call, 6055, 6065, 1)):
            self.desk.quote(kind(near, expiry=later), 5.95, 6.05, sign * 0.30)
            self.desk.quote(kind(far, expiry=later), 1.95, 2.05, sign * 0.20)
        self.desk.tick(0.5)
        self.received()
        if not filled or rolled < 0:
            return
        self.vix_moves(30.0)
        self.all_goes_well()
        self.roll_fills(min(filled, rolled))

    def roll_fills(self, count: int) -> None:
        works = [known for known in self.street.in_state("working") if known.order.purpose is Purpose.ROLL]
        if works and count:
            self.street.fill(works[0], count)
        self.everything_is_said()

    @rule(count=st.integers(1, 3))
    def a_roll_gets_there_and_fills(self, count: int) -> None:
        if self.desk.state.connection.is_linked:
            self.all_goes_well()
            self.roll_fills(count)

    @rule(side=st.sampled_from([0, 1]), cost=st.sampled_from([0.3, 0.7, 2.3, 2.3, 4.5]))
    def a_side_moves(self, side: int, cost: float) -> None:
        self.desk.quote(SHORTS[side], cost + 1.55, cost + 1.65, -0.104 if side == 0 else 0.104)
        self.desk.tick(0.5)
        self.received()

    @rule()
    def it_is_frightened(self) -> None:
        self.vix_moves(30.0)

    @rule()
    def what_it_may_roll_into_goes(self) -> None:
        later = put(5935, expiry=self.desk.expiry_90)
        self.desk.without_data(later)
        self.desk.tick(0.5)
        self.desk.quote(later, 1.95, 2.05, -0.20)
        self.received()


class RollingSidesOrClosing(RollingSides):
    """The same, of which a side is closed where it finds nothing to roll into, and a part is taken home."""

    otherwise = "close"
    ending = "  - target: {profit: 30%}\n    close: 50%\n"


limits = settings(max_examples=tries(25), stateful_step_count=45)
TestRollingSides = RollingSides.TestCase
TestRollingSides.settings = limits
TestRollingSidesOrClosing = RollingSidesOrClosing.TestCase
TestRollingSidesOrClosing.settings = limits
