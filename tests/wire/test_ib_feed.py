"""Lines into the board, and slow facts, from the simulated gateway and from a fake."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isclose, isnan, pi, sqrt

import pytest
from ib_fake_tws import Fields, fake_tws
from ib_session import DAY, SPX, chain, connected, gateway, leg, near, order, play, put, run, telling_our_time

from rulebot.adapters.ib import convert, feed, history
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import BrokerError, UnavailableError
from rulebot.model.event import DataTrouble, DividendReport, Event, MarketDataUpdated
from rulebot.model.facts import Dividend, Listing
from rulebot.model.market import Extra
from rulebot.model.order import Side
from rulebot.model.session import Session, exchange_date, session_before, session_on
from rulebot.preview.connection import Stream, seen_on
from twsim.seams import ContractSearch


def test_underlyings_and_options_stream_into_the_board() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            option, spy, vix = put(strike), Underlying("SPY"), Underlying("VIX")
            world.feed.watch([SPX, spy, vix, option])
            await play(world, 6)
            board = world.feed.board
            row = board.rows[option]
            assert 0 < board.bid[row] < board.ask[row]
            assert board.bid_size[row] > 0
            assert -0.5 < board.delta[row] < 0
            assert 0 < board.iv[row] < 3
            assert board.theta[row] < 0 < board.vega[row]
            assert gw.now - 10 < board.quote_at[row] <= board.alive_at <= gw.now
            assert isnan(board.bid[board.rows[SPX]])
            assert 5000 < board.last[board.rows[SPX]] < 7000
            assert board.previous_close[board.rows[SPX]] > 0
            assert 5 < board.last[board.rows[vix]] < 90
            assert 0 < board.bid[board.rows[spy]] < board.ask[board.rows[spy]]
            assert not board.frozen

    run(scenario())


def test_watch_sends_only_the_difference_and_cancels_first() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            spy, vix = Underlying("SPY"), Underlying("VIX")
            world.feed.watch([SPX, spy])
            world.feed.watch([SPX, spy])
            world.feed.watch([vix, SPX])
            await fake.until_asked("1", 3)
            sent = [(fields[0], fields[4] if fields[0] == "1" else "") for fields in fake.asked if fields[0] in "12"]
            assert sent == [("1", "SPX"), ("1", "SPY"), ("2", ""), ("1", "VIX")]
            assert set(world.feed.board.rows) == {SPX, vix}
            lines = await fake.until_asked("1", 3)
            assert lines[0][2:12] == [lines[0][2], "0", "SPX", "IND", "", "0.0", "", "", "CBOE", ""]
            assert int(lines[0][2]) >= 1_000_000_000

    run(scenario())


def test_without_lockstep_batches_follow_what_arrives() -> None:
    async def scenario() -> None:
        async with (
            gateway(lockstep=False, speed=1000.0) as gw,
            telling_our_time(gw),
            connected(gw.port, lockstep=False) as (world, first),
        ):
            assert not world.link.is_lockstep
            world.feed.watch([SPX, Underlying("SPY")])
            times = [first[-1].at]
            moved: set[int] = set()
            while len(times) < 20 or moved != {0, 1}:
                batch = await world.link.next(None)
                times.append(batch.at)
                assert isinstance(batch.events[-1], MarketDataUpdated)
                moved.update(batch.events[-1].rows)
            assert times == sorted(times)
            assert world.feed.board.last[0] > 5000

    run(scenario())


def test_no_more_than_45_messages_leave_in_a_second_of_virtual_time() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            await play(world, 70)
            strikes = await chain(world)
            wanted = [put(strike) for strike in strikes[200:280]]
            world.feed.watch(wanted)
            session = gw.gateway.hub.sessions[1]
            lines = []
            for _ in range(4):
                await play(world, 1)
                lines.append(len(session.wants.lines))
            assert lines == [45, 80, 80, 80]
            world.broker.submit(order(1, leg(wanted[0], Side.BUY), limit_price=Decimal("0.05")))
            await play(world, 1)
            assert len(gw.exchange.open_orders()) + len(gw.exchange.completed_orders()) == 1

    run(scenario())


async def day_of(jitter: Callable[[], float], variant: int) -> list[Event]:
    """Live some minutes with an order and changing lines; return all events."""
    del variant
    async with gateway(seed=3) as gw, connected(gw.port) as (world, first):
        found = list(first)
        strike = await near(world, below=20)
        for instant in range(120):
            await asyncio.sleep(jitter())
            if instant == 10:
                world.feed.watch([SPX, put(strike), put(strike - 10)])
            if instant == 20:
                world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=Decimal("30")))
                world.broker.submit(order(2, leg(put(strike - 10), Side.BUY), limit_price=Decimal("0.05")))
            if instant == 60:
                world.broker.cancel(order(2, leg(put(strike - 10), Side.BUY)))
                world.feed.watch([put(strike)])
            found.extend((await world.link.next(None)).events)
        board = world.feed.board
        found.extend((strike, tuple(getattr(board, name))) for name in ("bid", "ask", "delta", "quote_at"))
        return found


def test_lockstep_gives_the_same_events_whatever_the_timing() -> None:
    async def scenario() -> None:
        dice = random.Random()
        plain = await day_of(lambda: 0, 0)
        shaken = await day_of(lambda: dice.random() * 0.002 if dice.random() < 0.3 else 0, 1)
        assert repr(plain) == repr(shaken)
        assert len([event for event in plain if isinstance(event, MarketDataUpdated)]) == 120

    run(scenario())


def test_listing_strikes_and_ids() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            before = gw.now
            listing = await world.feed.listing("SPX", "SPXW")
            monthly = await world.feed.listing("SPX", "SPX")
            assert DAY in listing.expiries
            assert set(monthly.expiries) < set(listing.expiries) | set(monthly.expiries)
            assert monthly.expiries != listing.expiries
            assert not listing.strikes
            full = await world.feed.strikes(listing, DAY)
            assert full.strikes[DAY] == tuple(sorted(full.strikes[DAY]))
            assert (await world.feed.strikes(full, date(2025, 11, 23))).strikes[date(2025, 11, 23)] == ()
            with pytest.raises(UnavailableError, match="lists no options SPXX on SPX"):
                await world.feed.listing("SPX", "SPXX")
            with pytest.raises(UnavailableError, match=r"lists no options on IWM$"):
                await world.feed.listing("IWM", "IWM")
            with pytest.raises(UnavailableError, match="the contract of NOPE") as caught:
                await world.feed.listing("NOPE", "NOPE")
            assert caught.value.symbol == "NOPE"
            assert gw.now == before

    run(scenario())


def test_closes_are_of_finished_sessions_only() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            world.feed.watch([SPX])
            early = await world.feed.closes("SPX", 30)
            await play(world, 120)
            assert await world.feed.closes("SPX", 30) == early
            assert len(early) == 30
            assert isclose(early[-1], world.feed.board.previous_close[0])
            assert len(await world.feed.closes("VIX", 300)) == 300

    run(scenario())


def test_lines_bring_what_is_asked_for_beside_quotes() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            option, board = put(strike), world.feed.board
            world.feed.watch([SPX, option])
            await play(world, 4)
            assert isnan(board.open_interest[board.rows[option]])
            assert isnan(board.iv[board.rows[SPX]])
            extras = frozenset({("SPX", Extra.COUNTS), ("SPX", Extra.IMPLIED), ("SPX", Extra.OPTION_VOLUME)})
            world.feed.watch([SPX, option], extras)
            await play(world, 240)
            row, spx = board.rows[option], board.rows[SPX]
            session = session_on(DAY)
            assert session is not None
            listed = gw.gateway.hub.market.catalogue.search(
                ContractSearch(trading_class="SPXW", strike=float(strike), right="P", last_trade=f"{DAY:%Y%m%d}")
            )
            con_id = listed[0].con_id
            assert board.open_interest[row] == gw.gateway.hub.market.open_interest(con_id) > 0
            assert 0 < board.volume[row] <= gw.gateway.hub.market.volume(con_id)
            assert board.call_volume[spx] > 0
            assert board.put_volume[spx] > 0
            assert 0.05 < board.iv[spx] < 1.0
            assert gw.now - 61 <= board.model_at[spx] <= gw.now
            early = board.volume[row], board.call_volume[spx]
            await play(world, 300)
            assert board.volume[row] > early[0]
            assert board.call_volume[spx] > early[1]
            days = await world.feed.implied("SPX", 252)
            assert len(days) == 252
            assert all(0.05 < each < 1.0 for each in days)
            assert abs(days[-1] - board.iv[spx]) < 0.05

    run(scenario())


def test_a_line_is_asked_for_again_when_it_is_to_bring_more() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            spy, option = Underlying("SPY"), put(Decimal(5900))
            world.feed.watch([SPX, spy, option])
            world.feed.watch([SPX, spy, option], frozenset({("SPX", Extra.COUNTS), ("SPY", Extra.IMPLIED)}))
            await fake.until_asked("1", 5)
            lines = [fields for fields in fake.asked if fields[0] == "1"]
            named = [(fields[4], fields[-4]) for fields in lines]
            assert named == [("SPX", ""), ("SPY", "456"), ("SPX", ""), ("SPY", "456,106"), ("SPX", "101")]

    run(scenario())


def test_bars_of_days_and_of_the_session() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            session = session_on(DAY)
            assert session is not None
            days = (await world.feed.bars("SPX", 86400, 30, session)).bars
            assert tuple(bar.close for bar in days) == await world.feed.closes("SPX", 30)
            assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in days)
            before = await world.feed.bars("SPX", 300, 100, session)
            assert len(before.bars) == 100
            assert before.bars[-1].at + 300 == session_before(DAY).close.timestamp()
            assert before.bars[-1].close == days[-1].close
            world.feed.watch([SPX])
            await play(world, 760)
            opened = session.open.timestamp()
            now = before.known_until + 760
            assert opened + 600 < now < opened + 900
            five = (await world.feed.bars("SPX", 300, 100, session)).bars
            assert [bar.at for bar in five[-3:]] == [before.bars[-1].at, opened, opened + 300]
            one = [bar for bar in (await world.feed.bars("SPX", 60, 13, session)).bars if bar.at >= opened]
            first = one[:5]
            assert [bar.at for bar in one] == [opened + 60 * at for at in range(int(now - opened) // 60)]
            assert (five[-2].open, five[-2].close) == (first[0].open, first[-1].close)
            assert (five[-2].high, five[-2].low) == (max(b.high for b in first), min(b.low for b in first))
            (last,) = (await world.feed.bars("SPX", 60, 1, session)).bars
            assert last == one[-1]
            spy = (await world.feed.bars("SPY", 60, 5, session)).bars
            assert all(bar.volume > 0 and bar.low <= bar.average <= bar.high for bar in spy)
            assert {bar.volume for bar in one} == {0.0}

    run(scenario())


def test_the_opening_move_is_the_straddle_of_the_first_minute() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            session = session_on(DAY)
            assert session is not None
            listing = await world.feed.strikes(await world.feed.listing("SPX", "SPXW"), DAY)
            assert await world.feed.opening_move(listing, DAY, session) is None
            world.feed.watch([SPX])
            await play(world, 120)
            spot = world.feed.board.last[0]
            strike = min(listing.strikes[DAY], key=lambda each: abs(float(each) - spot))
            pair = [Option("SPX", "SPXW", DAY, strike, right) for right in (Right.CALL, Right.PUT)]
            world.feed.watch(pair)
            await play(world, 6)
            board = world.feed.board
            straddle = sum((board.bid[board.rows[each]] + board.ask[board.rows[each]]) / 2 for each in pair)
            move = await world.feed.opening_move(listing, DAY, session)
            assert move is not None
            assert isclose(move, straddle * sqrt(pi / 2), rel_tol=0.15)

    run(scenario())


def _trouble(code: int) -> Callable[[Fields], list[tuple[object, ...]]]:
    return lambda fields: [(4, 2, fields[2], code, "Requested market data is not subscribed.", "")]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (354, "no market data subscription; it needs Cboe Streaming Market Indexes"),
        (10089, "no market data subscription"),
        (10168, "no market data subscription"),
        (10167, "delayed data only, never traded on"),
        (10197, "another session of this user"),
        (101, "lines are used up"),
        (200, "Requested market data is not subscribed. (error 200)"),
    ],
)
def test_a_line_that_does_not_stream_says_why(code: int, words: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with fake_tws(answers={"1": _trouble(code)}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            await world.link.next(None)
            assert words in world.feed.troubles[SPX]
            assert words in caplog.text
            assert 0 in world.feed.board.frozen

    run(scenario())


@pytest.mark.parametrize("code", [10090, 10091])
def test_a_line_of_which_a_part_is_not_subscribed_streams_on(code: int) -> None:
    """10091 held it back for the whole connection: of options whose index is not subscribed, nothing was known."""
    option = Option("SPX", "SPXW", DAY, Decimal(6000), Right.PUT, con_id=7)

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        return [*_trouble(code)(fields), (1, 6, fields[2], 1, 1.25, 3, 0), (1, 6, fields[2], 2, 1.35, 3, 0)]

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([option])
            while option not in world.feed.troubles:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            board = world.feed.board
            assert (board.frozen, board.bid[board.rows[option]]) == (set(), 1.25)
            assert "it needs OPRA (US Options Exchanges) and Cboe Streaming" in world.feed.troubles[option]
            assert seen_on(world.feed, option).stream is Stream.PARTLY

    run(scenario())


@pytest.mark.parametrize("code", [2176, 2187])
def test_a_line_of_which_the_broker_only_remarks_something_streams_on(code: int) -> None:
    """Any number on it held it back for the whole connection; users of another program were told these."""

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        return [*_trouble(code)(fields), (1, 6, fields[2], 4, 6000.0, 0, 0)]

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            while world.feed.board.last[0] != 6000.0:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert (world.feed.troubles, world.feed.board.frozen) == ({}, set())

    run(scenario())


def test_lines_that_are_refused_alike_are_reported_together() -> None:
    """Another session that takes the data of ninety lines is one thing to know, and was ninety lines of text."""
    asked: list[str] = []

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        asked.append(fields[2])
        return []

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX, *(Underlying(f"S{number}", number) for number in range(1, 8))])
            while len(asked) < 8:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            reported = []
            for lines, code in ((asked[:7], "10197"), (asked[7:], "101"), (asked[:1], "10197")):
                for line in lines:
                    assert world.feed.refused(["4", "2", line, code, "No market data", ""], world.link.now) is None
                reported += [(each.symbol, each.text) for each in world.feed.stopped(world.link.now)]
            assert reported == [
                ("", "SPX, S1, S2, S3, S4 and 2 more: another session of this user has the market data (error 10197)"),
                ("S7", "S7: the broker's market data lines are used up (error 101)"),
            ]

    run(scenario())


@pytest.mark.parametrize(("code", "is_asked_again"), [(10197, True), (101, True), (10182, True), (354, False)])
def test_59_a_line_that_is_refused_for_now_is_asked_for_again(
    code: int, is_asked_again: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker does not say when the other session is over, and the line that it refused stays dead."""
    refused = _trouble(code)
    asked: list[Fields] = []

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        asked.append(fields)
        return refused(fields) if len(asked) < 3 else [(1, 6, fields[2], 4, 6000.0, 0, 0)]

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            board, link = world.feed.board, world.link
            for _ in range(20):
                await link.next(link.now + timedelta(seconds=0.02))
            assert (len(asked), bool(board.frozen)) == ((3, False) if is_asked_again else (1, True))
            assert (SPX in world.feed.troubles) is not is_asked_again
            assert board.last[board.rows[SPX]] == 6000.0 or not is_asked_again
            assert caplog.text.count(f"error {code}") == 1

    monkeypatch.setattr(feed, "ASK_AGAIN", timedelta(seconds=0.03))
    run(scenario())


def test_59_a_line_that_streams_again_is_reported_and_so_is_its_next_refusal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The second time that another session had the data nobody was told, and never that it was back."""
    asked: list[Fields] = []

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        asked.append(fields)
        kind = (58, 1, fields[2], 1)  # comes on a line that is refused, too, and may come long before that is told
        refused = [kind, *_trouble(10197)(fields)]
        return [refused, [kind], refused, [(1, 6, fields[2], 4, 6000.0, 0, 0)]][min(len(asked), 4) - 1]

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            reported: list[str] = []

            async def until(count: int) -> None:
                while len(reported) < count:
                    batch = await world.link.next(world.link.now + timedelta(seconds=0.01))
                    reported.extend(each.text for each in batch.events if isinstance(each, DataTrouble))
                    if len(asked) == 2 and world.feed.board.frozen != {0} and batch.events[-1].rows:
                        fake.push(*_trouble(10197)(asked[-1])[0])

            away = "SPX: another session of this user has the market data (error 10197)"
            await until(2)
            assert (reported, len(asked)) == ([away, "market data is back: SPX"], 4)
            fake.push(4, 2, asked[-1][2], 10197, "No market data during competing live session", "")
            await until(4)
            assert reported[2:] == reported[:2]
            assert caplog.text.count("market data is back: SPX") == 2

    monkeypatch.setattr(feed, "ASK_AGAIN", timedelta(seconds=0.01))
    run(scenario())


@pytest.mark.parametrize("code", [354, 200, 322, 10999])
def test_59_a_line_that_is_not_subscribed_is_asked_for_again_later(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that has just logged in may not know its subscriptions yet; it never asked again until a restart.

    Nor did it after any other error.
    """
    asked: list[Fields] = []

    def answer(fields: Fields) -> list[tuple[object, ...]]:
        asked.append(fields)
        return _trouble(code)(fields) if len(asked) < 2 else [(1, 6, fields[2], 4, 6000.0, 0, 0)]

    async def scenario() -> None:
        async with fake_tws(answers={"1": answer}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            while world.feed.board.last[0] != 6000.0:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert (len(asked), world.feed.troubles, world.feed.board.frozen) == (2, {}, set())

    monkeypatch.setattr(feed, "ASK_LATER", timedelta(seconds=0.01))
    run(scenario())


def test_a_line_that_is_refused_while_a_farm_is_broken_does_not_come_back_with_it() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            line = (await fake.until_asked("1"))[0][2]
            fake.push(4, 2, -1, 2103, "Market data farm connection is broken:usopt", "")
            fake.push(4, 2, line, 354, "Requested market data is not subscribed.", "")
            fake.push(4, 2, -1, 2104, "Market data farm connection is OK:usopt", "")
            await world.link.next(None)
            assert world.feed.board.frozen == {0}

    run(scenario())


def test_a_farm_that_was_broken_and_is_inactive_then_holds_no_quote_back() -> None:
    """A farm without requests is not reported as connected: no quote counted any more."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            await fake.until_asked("1")
            inactive = "Market data farm connection is inactive but should be available upon demand."
            fake.push(4, 2, -1, 2103, "Market data farm connection is broken:usfarm.nj", "")
            fake.push(4, 2, -1, 2108, f"{inactive}cashfarm", "")
            await world.link.next(None)
            assert world.feed.board.frozen == {0}
            fake.push(4, 2, -1, 2108, f"{inactive}usfarm.nj", "")
            await world.link.next(None)
            assert world.feed.board.frozen == set()

    run(scenario())


DEAD = '[{kind: dead_line, at: "09:45:00", symbol: SPX}]'
FARM = '[{kind: farm_down, at: "09:45:00", seconds: 20, lines: die}]'


@pytest.mark.parametrize(("fault", "back"), [(DEAD, 40), (FARM, 40)], ids=["one", "those of a farm"])
def test_56_lines_that_died_without_a_word_are_asked_for_again(
    fault: str, back: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A dead line looks like a quiet one: an index stood still until somebody started anew."""

    async def scenario() -> None:
        async with gateway(faults=fault, fence_seconds=5, data_seconds=5) as gw, connected(gw.port) as (world, _):
            world.feed.watch([SPX, Underlying("SPY"), put(await near(world, below=20))])
            dies = session_on(DAY).at(time(9, 45)).timestamp()
            board, spoke = world.feed.board, []
            while gw.now < dies + back + 20:
                await play(world, 1)
                if board.last_at[board.rows[SPX]] == gw.now:
                    spoke.append(gw.now - dies)
            assert max(each for each in spoke if each < back) <= 0
            assert min(each for each in spoke if each > 5) == back
            assert "SPX" in caplog.text
            assert "silent, requested again" in caplog.text

    run(scenario())


def test_what_was_quoted_before_a_farm_broke_counts_no_more_when_it_is_back() -> None:
    """Nobody knows what it was meanwhile: what is told anew counts."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX, Underlying("SPY")])
            line = (await fake.until_asked("1", 2))[0][2]
            fake.push(1, 6, line, 4, "5900.5", "0", "0")
            await world.link.next(None)
            board = world.feed.board
            assert (board.last[0], isnan(board.last_at[0])) == (5900.5, False)
            fake.push(4, 2, -1, 2103, "Market data farm connection is broken:usfarm", "")
            await world.link.next(None)
            fake.push(4, 2, -1, 2104, "Market data farm connection is OK:usfarm", "")
            await world.link.next(None)
            assert board.frozen == set()
            assert isnan(board.last_at[0])
            fake.push(1, 6, line, 4, "5901.25", "0", "0")
            await world.link.next(None)
            assert (board.last[0], isnan(board.last_at[0])) == (5901.25, False)

    run(scenario())


def test_what_the_broker_says_of_nothing_in_particular_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """That TWS had another port from then on stood in the log alone, and the connection was gone for no reason."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(4, 2, -1, 2106, "HMDS data farm connection is OK:ushmds", "")
            fake.push(4, 2, -1, 1300, "TWS socket port has been reset. Please reconnect on the new port -4002", "")
            await world.link.next(None)
            shown = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
            assert shown == [
                "broker: TWS socket port has been reset. Please reconnect on the new port -4002 (error 1300)"
            ]

    run(scenario())


def test_no_quote_counts_while_a_farm_is_broken() -> None:
    """All that is streamed is looked at anew when that begins and when it ends; of other farms nothing is told."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX, Underlying("SPY")])
            await fake.until_asked("1", 2)
            found = []
            for code, words in ((2103, "broken:usopt"), (2104, "OK:usfarm"), (2104, "OK:usopt")):
                fake.push(4, 2, -1, code, f"Market data farm connection is {words}", "")
                events = (await world.link.next(None)).events
                reported = [each.text for each in events if isinstance(each, DataTrouble)]
                moved = [each.rows for each in events if isinstance(each, MarketDataUpdated)]
                found.append((reported, moved, world.feed.board.frozen.copy()))
            broken = "market data farm usopt is broken; no quote counts until it is back"
            assert found == [
                ([broken], [(0, 1)], {0, 1}),
                ([], [()], {0, 1}),
                (["market data farm usopt is back"], [(0, 1)], set()),
            ]

    run(scenario())


@pytest.mark.parametrize(
    ("code", "text", "words", "help_words"),
    [
        (162, "No market data permissions for CBOE IND", "daily closes of SPX", "Cboe Streaming"),
        (321, "Invalid", "daily closes of SPX: Invalid", ""),
        (162, "pacing violation", "pacing violation", ""),
    ],
)
def test_history_errors_name_what_was_asked(code: int, text: str, words: str, help_words: str) -> None:
    details = "10|{}|SPX|IND||0||CBOE|USD|SPX|IND|IND|416904|0.01|100"

    async def scenario() -> None:
        answers: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {
            "9": lambda fields: [tuple(details.format(fields[2]).split("|")), (52, 1, fields[2])],
            "20": lambda fields: [(4, 2, fields[1], code, text, "")],
        }
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            with pytest.raises(BrokerError, match=words) as caught:
                await world.feed.closes("SPX", 5)
            assert help_words in (caught.value.help or "")
            assert isinstance(caught.value, UnavailableError) is bool(help_words)
            answers_empty = [(4, 2, 0, 162, "HMDS query returned no data: SPX", "")]
            fake.answers["20"] = lambda fields: [(*answers_empty[0][:2], fields[1], *answers_empty[0][3:])]
            assert await world.feed.closes("SPX", 5) == ()

    run(scenario())


def test_a_contract_that_is_not_found_while_its_farm_is_lost_may_be_there() -> None:
    """The chain of the day had no strikes then, until the next day."""
    details = "10|{}|SPX|OPT|20251124|5860|P|SMART|USD|X|SPXW|SPXW|99|0.05|100"

    async def scenario() -> None:
        nothing = "No security definition has been found for the request"
        answers = {"9": lambda fields: [(4, 2, fields[2], 200, nothing, "")]}
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            listing = Listing("SPX", "SPXW", (DAY,))
            fake.push(4, 2, -1, 2157, "Sec-def data farm connection is broken:secdefil", "")
            with pytest.raises(BrokerError, match="has lost secdefil, and cannot look up the strikes of SPXW"):
                await world.feed.strikes(listing, DAY)
            fake.push(4, 2, -1, 2158, "Sec-def data farm connection is OK:secdefil", "")
            assert (await world.feed.strikes(listing, DAY)).strikes == {DAY: ()}
            calls = details.replace("|P|", "|C|").replace("|99|", "|98|")
            fake.answers["9"] = lambda fields: [
                *(tuple(each.format(fields[2]).split("|")) for each in (details, calls)),
                (52, 1, fields[2]),
            ]
            assert (await world.feed.strikes(listing, DAY)).strikes == {DAY: (Decimal(5860),)}

    run(scenario())


def test_an_answer_that_cannot_be_read_is_as_good_as_none() -> None:
    """It ended the run with a traceback, and whoever asked anew met it again."""
    details = "10|{}|SPX|IND||0||CBOE|USD|SPX|SPX|SPX|416904|0.01||rest"

    async def scenario() -> None:
        answers: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {
            "9": lambda fields: [tuple(details.format(fields[2]).split("|")), (52, 1, fields[2])],
            "78": lambda fields: [(75, fields[1], "SMART", 416904, "SPXW", "100", 1, "soon", 0), (76, fields[1])],
            "20": lambda fields: [(17, fields[1], "", "", 1, "Monday", 1, 1, 1, 1, 0, 0, 0)],
        }
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            with pytest.raises(BrokerError, match="the option expiries of SPX could not be read"):
                await world.feed.listing("SPX", "SPXW")
            with pytest.raises(BrokerError, match="daily closes of SPX could not be read"):
                await world.feed.closes("SPX", 5)
            fake.answers["9"] = lambda fields: [
                (
                    "10",
                    fields[2],
                    "SPX",
                    "OPT",
                    "soon",
                    "0",
                    "?",
                    "SMART",
                    "USD",
                    "X",
                    "SPXW",
                    "SPXW",
                    "99",
                    "0.05",
                    "100",
                ),
                (52, 1, fields[2]),
            ]
            with pytest.raises(BrokerError, match=f"the strikes of SPXW {DAY} could not be read"):
                await world.feed.strikes(Listing("SPX", "SPXW", (DAY,)), DAY)

    run(scenario())


def test_a_question_without_an_answer_is_given_up() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False, request_seconds=0.1) as (world, _):
            with pytest.raises(BrokerError, match=r"did not answer the contract of SPX within 0.1 s"):
                await world.feed.listing("SPX", "SPXW")
            asking = asyncio.ensure_future(world.feed.listing("SPX", "SPXW"))
            await fake.until_asked("9", 2)
            fake.cut()
            with pytest.raises(BrokerError, match="the connection was lost while asking"):
                await asking

    run(scenario())


def test_72_the_next_dividend_of_a_stock_is_reported() -> None:
    def line(fields: list[str]) -> list[tuple[object, ...]]:
        dividends = "6.90,7.30,20251219,1.83" if "456" in fields else "none of these"
        return [(46, 6, fields[2], 59, dividends), (46, 6, fields[2], 45, "1763999999")] if fields[4] == "SPY" else []

    async def scenario() -> None:
        async with fake_tws(answers={"1": line}) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([Underlying("SPX"), Underlying("SPY")])
            asked = await fake.until_asked("1", 2)
            assert [("456" in fields) for fields in asked] == [False, True]
            events = (await world.link.next(None)).events
            reported = [event for event in events if isinstance(event, DividendReport)]
            assert [(each.symbol, each.dividend) for each in reported] == [
                ("SPY", Dividend(date(2025, 12, 19), Decimal("1.83")))
            ]

    run(scenario())


@pytest.mark.parametrize("text", [",,,", "6.90,7.30,,", "6.90,7.30,20251219,"])
def test_72_no_dividend_is_announced(text: str) -> None:
    assert convert.dividend(text) is None


def test_what_stands_still_does_not_look_alive_when_it_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """TWS answers with the level that it had last, be it of the day before."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            spy, board = Underlying("SPY"), world.feed.board
            world.feed.watch([SPX, spy])

            async def reported(level: str, count: int) -> list[bool]:
                """Tell both on the lines that they have; return whether that counts."""
                before = world.link.now.timestamp()
                for asked in (await fake.until_asked("1", count))[-2:]:
                    fake.push(1, 6, asked[2], 4, level, "0", "0")
                while not all(board.last[board.rows[each]] == float(level) for each in (SPX, spy)):
                    await world.link.next(None)
                return [board.last_at[board.rows[each]] > before for each in (SPX, spy)]

            assert await reported("5900.5", 2) == [True, True]
            first = board.last_at[board.rows[SPX]]
            silent = [[SPX, spy], [SPX, spy]]
            monkeypatch.setattr(feed.StaleLines, "due", lambda *_: silent.pop() if silent else [])
            world.feed.ask_again(world.link.now, is_away=False)
            world.feed.ask_again(world.link.now, is_away=False)  # the first had no answer
            assert board.last_at[board.rows[SPX]] == board.last_at[board.rows[spy]] == first, "as old as it was"
            assert await reported("5900.5", 6) == [False, False]
            assert board.last_at[board.rows[SPX]] == first
            assert await reported("5900.75", 6) == [True, True]

    run(scenario())


def test_no_line_is_asked_for_again_while_the_gateway_has_lost_the_broker(caplog: pytest.LogCaptureFixture) -> None:
    lost = '[{kind: lost_connectivity, at: "09:45:00", seconds: 150}]'

    async def scenario() -> None:
        async with gateway(faults=lost, fence_seconds=5, data_seconds=5) as gw, connected(gw.port) as (world, _):
            world.feed.watch([SPX, put(await near(world, below=20))])
            dies = session_on(DAY).at(time(9, 45)).timestamp()
            while gw.now < dies + 170:
                await play(world, 1)
            assert world.feed.board.last_at[world.feed.board.rows[SPX]] > dies + 150
            assert "requested again" not in caplog.text

    run(scenario())


def test_an_open_that_the_line_of_an_index_does_not_report_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """TWS streams none of SPX."""
    details = "10|{}|SPX|IND||0||CBOE|USD|SPX|IND|IND|416904|0.01|100"

    def bars(fields: Fields) -> list[tuple[object, ...]]:
        day = exchange_date(datetime.now(UTC))
        return [(17, fields[1], "", "", 1, f"{day:%Y%m%d}", 5901.5, 5920, 5890, 5910, 0, 0, 0)]

    def started(day: date) -> Session:
        opened = datetime.now(UTC) - timedelta(minutes=1)
        return Session(day, opened, opened + timedelta(hours=6), is_half=False)

    async def scenario() -> None:
        answers: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {
            "1": lambda fields: [(1, 6, fields[2], 4, 5910.0, 0, 0)],
            "9": lambda fields: [tuple(details.format(fields[2]).split("|")), (52, 1, fields[2])],
            "20": bars,
        }
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([SPX])
            row, board, moved = world.feed.board.rows[SPX], world.feed.board, list[Event]()
            while isnan(board.open[row]):
                moved += (await world.link.next(None)).events
            assert (board.last[row], board.open[row]) == (5910.0, 5901.5)
            assert isinstance(moved[-1], MarketDataUpdated)
            assert moved[-1].rows == (row,), "and it is told, to be recorded"

    monkeypatch.setattr(history, "session_on", started)
    run(scenario())


# ---------------------------------------------------------------- delayed data


def _late(fields: Fields) -> list[tuple[object, ...]]:
    """Answer a line as TWS does with market data type 3: error 10167, type 3, then delayed ticks."""
    ticks = [(1, 6, fields[2], 66, 1.25, 3, 0), (1, 6, fields[2], 67, 1.35, 3, 0)]
    return [*_trouble(10167)(fields), (58, 1, fields[2], 3), *ticks]


@pytest.mark.parametrize("symbols", [frozenset[str](), frozenset({"SPY"}), frozenset({"SPX"})])
def test_late_quotes_count_only_where_every_bot_allows_them(symbols: frozenset[str]) -> None:
    option = Option("SPX", "SPXW", DAY, Decimal(6000), Right.PUT, con_id=7)

    async def scenario() -> None:
        async with fake_tws(answers={"1": _late}) as fake, connected(fake.port, lockstep=False) as (world, _):
            board = world.feed.board
            board.allow_delayed(symbols)
            world.feed.watch([option])
            while option not in world.feed.troubles or not board.delayed:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            row, is_allowed = board.rows[option], "SPX" in symbols
            assert row in board.delayed
            assert (row in board.frozen) is not is_allowed
            assert ("never traded on" in world.feed.troubles[option]) is not is_allowed
            assert board.bid[row] == 1.25
            asked = [fields for fields in fake.asked if fields[0] == "59"]
            assert bool(asked) is bool(symbols)
            board.allow_delayed(frozenset())
            assert row in board.frozen

    run(scenario())
