"""The limit of market data lines: what is streamed, and what is told of the rest."""

import pytest
from ib_fake_tws import fake_tws
from ib_session import connected, gateway, run

from rulebot.live.environments import attached
from rulebot.model.contract import Underlying
from rulebot.process.settings import load_settings


def test_the_line_limit_keeps_the_most_important_and_names_the_rest() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False, max_lines=2) as (world, _):
            wanted = [Underlying(symbol) for symbol in ("SPX", "SPY", "VIX", "QQQ")]
            world.feed.watch(wanted)
            assert world.feed.unwatched == (Underlying("VIX"), Underlying("QQQ"))
            assert set(world.feed.board.rows) == {Underlying("SPX"), Underlying("SPY")}
            world.feed.watch(wanted[2:])
            assert world.feed.unwatched == ()
            assert len(await fake.until_asked("1", 4)) == 4

    run(scenario())


def test_contracts_beyond_the_limit_are_reported_when_it_begins_when_there_are_more_and_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Which ones they are changes with each strike that moves; `unwatched` has them at any time."""
    names = "ABCDEFGHJ"

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False, max_lines=1) as (world, _):
            for wanted in ("ABC", "XYZ", "ACBD", "AD", "AEFG", "A", "AB", names):
                world.feed.watch([Underlying(symbol) for symbol in wanted])
                assert world.feed.unwatched == tuple(Underlying(symbol) for symbol in wanted[1:])

    run(scenario())
    reported = [each.getMessage() for each in caplog.records if "the limit of" in each.getMessage()]
    assert reported == [
        "2 contracts are beyond the limit of 1 lines: B, C",
        "3 contracts are beyond the limit of 1 lines: C, B, D",
        "all contracts are within the limit of lines again",
        "1 contract is beyond the limit of 1 lines: B",
        "8 contracts are beyond the limit of 1 lines: B, C, D, E, F and 3 more",
    ]


def test_a_connection_takes_no_more_than_the_share_that_settings_give_it() -> None:
    async def scenario() -> None:
        share = load_settings(environ={"RULEBOT_LINES": "2", "RULEBOT_MESSAGES": "20", "RULEBOT_REQUESTS": "3"}).share
        async with gateway() as gw, attached("127.0.0.1", gw.port, 1, "", lockstep=True, share=share) as world:
            await world.ib.link.connect()
            world.ib.feed.watch([Underlying(symbol) for symbol in ("SPX", "SPY", "VIX")])
            assert world.ib.feed.unwatched == (Underlying("VIX"),)
            settings = world.ib.link.wire.settings
            assert (settings.messages_per_second, settings.max_requests) == (20, 3)

    run(scenario())
