"""What the entry conditions of a bot said at an instant of a replay."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.replay import replay as view
from rulebot.replay.replay import conditions

AT = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)


def rule(name: str, *, truth: bool | None) -> Any:
    return SimpleNamespace(rule=SimpleNamespace(name=name), judge=lambda _view: SimpleNamespace(truth=truth))


def bot(symbol: str = "", members: tuple[Any, ...] = ()) -> Any:
    choices = (
        SimpleNamespace(name="sell_puts", when=(rule("trend", truth=True),)),
        SimpleNamespace(name="sell_calls", when=(rule("trend", truth=False), rule("vix", truth=None))),
    )
    return SimpleNamespace(symbol=symbol, members=members, when=(rule("rsi", truth=True),), choices=choices)


@pytest.fixture(autouse=True)
def _no_market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "StateBuilder", lambda *_: None)
    monkeypatch.setattr(view, "view_of", lambda _: None)


def reported(of: Any) -> list[tuple[str, bool | None]]:
    found: Any = SimpleNamespace(program=None, state=None)
    return [(called, evaluation.truth) for called, _, evaluation in conditions(found, of, AT)]


def test_the_conditions_of_each_alternative_are_reported() -> None:
    assert reported(bot()) == [
        ("rsi", True),
        ("sell_puts: trend", True),
        ("sell_calls: trend", False),
        ("sell_calls: vix", None),
    ]


def test_those_of_a_universe_are_reported_for_each_symbol() -> None:
    members = tuple(SimpleNamespace(bot=bot(symbol)) for symbol in ("QQQ", "SPY"))
    names = [called for called, _ in reported(bot(members=members))]
    assert names[:4] == ["QQQ rsi", "QQQ sell_puts: trend", "QQQ sell_calls: trend", "QQQ sell_calls: vix"]
    assert len(names) == 8
