"""Where a run stands, written down and read back: the texts that govern, and the state."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rulebot.core.state.state import Connection, MarketData, Orders, Schedule, State
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.market import Board
from rulebot.model.session import session_from
from rulebot.model.values import replace
from rulebot.record.codec import CodecError
from rulebot.replay.recordings import beginning, standing_as_json

FILE = Path(__file__).parents[3] / "examples" / "parameters_and_let.yaml"
NOON = datetime(2026, 11, 18, 17, tzinfo=UTC)
STATE = State(
    Schedule(session_from(date(2026, 11, 18))),
    MarketData(Board()),
    connection=Connection(account_id="DU1"),
    orders=Orders(next_number=17),
)


def desk(**values: str) -> LoadedBots:
    return load_all_bots([str(FILE)], values, None)


def test_texts_that_still_govern_are_reported() -> None:
    before, after = desk(), desk(wing="15 pts")
    program = after.succeeding(before.program("i", {}, 90), {"parameters_and_let"})
    texts = {text.digest: text for each in (before, after) for text in each.texts}
    reported = json.loads(json.dumps(standing_as_json(after, texts, program, STATE, NOON, "1")))
    found = beginning(reported, Board())
    assert found.state == STATE._replace(market=replace(STATE.market, board=found.state.market.board))
    assert list(found.program.pinned) == list(before.digests.values())
    assert {name: bot.plan.digest for name, bot in found.program.bots.items()} == after.digests
    assert found.digests == after.digests
    assert (found.program.install, found.program.line_limit) == ("i", 90)


def test_a_text_that_nobody_knows_is_not_passed_over() -> None:
    program = desk().succeeding(desk().program("i", {}, 90), {"parameters_and_let"})
    with pytest.raises(CodecError, match="no text has the digest"):
        standing_as_json(desk(), {}, program, STATE, NOON, "1")
