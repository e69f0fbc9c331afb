"""How often rules are judged: counted, not timed. A bot that nothing concerns costs nothing."""

from collections import Counter
from dataclasses import replace

from hand_desk import DAY, Desk, text_of

from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Underlying
from rulebot.model.event import MarketDataUpdated

LATER = text_of("later", entry='\n  window: {from: "12:00", to: "13:00"}\n  when:\n    - vix: {between: [12, 22]}\n')


def counting(desk: Desk) -> Counter[tuple[str, str]]:
    """Count from now on, by bot and rule, how often each rule is judged."""
    counted: Counter[tuple[str, str]] = Counter()

    def watched(bot: str, compiled: CompiledRule) -> CompiledRule:
        def judge(view: View) -> Evaluation:
            counted[bot, compiled.rule.name] += 1
            return compiled.judge(view)

        return replace(compiled, judge=judge)

    def all_watched(name: str, bot: CompiledBot) -> CompiledBot:
        return replace(
            bot,
            when=tuple(watched(name, rule) for rule in bot.when),
            require=tuple(watched(name, rule) for rule in bot.require),
            exits=tuple(None if rule is None else watched(name, rule) for rule in bot.exits),
            halts=tuple(watched(name, rule) for rule in bot.halts),
        )

    bots = {name: all_watched(name, bot) for name, bot in desk.program.bots.items()}
    desk.program = replace(desk.program, bots=bots)
    return counted


def move(desk: Desk, *contracts: Contract) -> None:
    """Tell the engine that only these have moved; the clock does not move."""
    desk.send(MarketDataUpdated(desk.now, tuple(desk.board.rows[contract] for contract in contracts)))


def open_desk(*texts: str) -> Desk:
    """Return a desk with an open put spread and nothing due at this instant."""
    desk = Desk(texts or (text_of(),))
    desk.opened()
    desk.tick(1)
    return desk


def test_a_quote_that_no_exit_reads_judges_nothing() -> None:
    desk = open_desk()
    held = {leg.option for leg in desk.position.legs}
    stranger = next(each for each in desk.board.rows if not isinstance(each, Underlying) and each not in held)
    counted = counting(desk)
    before = desk.state
    move(desk, stranger)
    assert not counted
    assert desk.state is before


def test_a_level_that_no_exit_reads_judges_nothing() -> None:
    desk = open_desk()
    counted = counting(desk)
    move(desk, Underlying("SPX"), Underlying("VIX"))
    assert not counted


def test_a_leg_that_moved_judges_each_exit_once() -> None:
    desk = open_desk()
    counted = counting(desk)
    move(desk, desk.position.legs[0].option)
    assert set(counted.values()) == {1}
    assert {name for _, name in counted} == {"time", "stop", "target"}


def test_only_the_bot_whose_legs_moved_is_judged() -> None:
    desk = open_desk(text_of(), LATER)
    counted = counting(desk)
    move(desk, desk.position.legs[0].option, Underlying("VIX"))
    assert {bot for bot, _ in counted} == {"spread"}


def test_staleness_is_noticed_although_nothing_moves() -> None:
    desk = open_desk()
    counted = counting(desk)
    desk.tick(16, quiet=True)
    assert {name for _, name in counted} == {"time", "stop", "target"}


def test_a_bot_whose_day_is_over_is_not_judged() -> None:
    desk = Desk()
    desk.until("15:50")
    counted = counting(desk)
    desk.settle(60)
    move(desk, *desk.board.rows)
    assert not counted
    assert desk.now.date() == DAY
