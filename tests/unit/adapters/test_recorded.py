"""Recordings: what enters comes out again, after a crash too; what is damaged is named."""

import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from shutil import copy

import pytest

from rulebot.adapters.recorded import file as file_side
from rulebot.adapters.recorded import file as inflate
from rulebot.adapters.recorded import recorder as recording_side
from rulebot.adapters.recorded.file import FORMAT, Frame, RecordingWriter, read_frames, read_head, span
from rulebot.adapters.recorded.recorder import Recorder, repack
from rulebot.adapters.recorded.recording import (
    EventReceived,
    QuotesMoved,
    RecordsWritten,
    RequestsExchanged,
    SessionBegan,
    open_recording,
    play,
)
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.event import Connected, Event, ListingReport, MarketDataUpdated, OrdersListed
from rulebot.model.facts import Listing
from rulebot.model.market import COLUMNS, Board
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import listed

START = datetime(2026, 10, 21, 13, 29, tzinfo=UTC)
SPX, VIX = Underlying("SPX"), Underlying("VIX")
PUT = Option("SPX", "SPXW", date(2026, 10, 21), Decimal(5900), Right.PUT)


class Desk:
    """A board that is written as a feed writes it, and a recorder that is told as the loop tells it."""

    def __init__(self, folder: Path) -> None:
        self.board = Board()
        self.reported: list[str] = []
        self.recorder = Recorder(folder, {"version": "1"}, self.board, self.reported.append)
        self.at = START
        self.snapshots: list[tuple[datetime, bytes]] = []

    def quote(self, contract: Underlying | Option, bid: float, *, settled: bool = True) -> int:
        row = self.board.rows[contract]
        self.board.bid[row] = bid
        if settled:
            self.board.quote_at[row] = self.board.alive_at = self.at.timestamp()
            self.board.unread.add(row)
        else:
            self.board.unsettled[0].add(row)
        return row

    def receive(self, event: Event, *records: Record, changed: bool = True) -> None:
        self.snapshots.append((event.at, picture(self.board)))
        self.recorder.took(event, records, changed=changed)

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def picture(board: Board) -> bytes:
    """Return everything of a board that a turn can see."""
    named = [(str(contract), row) for contract, row in sorted(board.rows.items(), key=lambda item: item[1])]
    rows = [[getattr(board, name)[row] for name in COLUMNS] for _, row in named]
    return repr((named, rows, board.frozen, board.halted, board.alive_at, board.version)).encode()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path / "run")
    yield found
    found.recorder.close()


def live(desk: Desk) -> None:
    """Let some things happen: contracts come and go, quotes are stamped or not, rows freeze."""
    board = desk.board
    board.add(SPX)
    desk.recorder.begins(desk.at, [Record(desk.at, Kind.SESSION, data={"n": 1})])
    desk.quote(SPX, 5900.25)
    desk.receive(MarketDataUpdated(desk.at, (0,)), Record(desk.at, Kind.FACTS, data={"n": 2}))
    desk.wait(5)
    board.add(PUT)
    desk.quote(PUT, 1.05, settled=False)
    desk.receive(ListingReport(desk.at, Listing("SPX", "SPXW", (PUT.expiry,), {PUT.expiry: (PUT.strike,)})))
    desk.receive(OrdersListed(desk.at, frozenset({"b", "a"})))
    desk.wait(5)
    board.drop(SPX)
    board.add(VIX)
    desk.quote(VIX, 16.5)
    board.frozen.add(board.rows[PUT])
    desk.receive(MarketDataUpdated(desk.at, (board.rows[VIX],)), changed=False)
    desk.wait(5)
    board.drop(VIX)
    board.add(VIX)
    desk.receive(MarketDataUpdated(desk.at))
    desk.recorder.exchanged(desk.at, {"specs": {"z": 1, "a": 2}}, [])


def test_what_enters_comes_out_in_order(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    board = Board()
    seen, pictures = [], {}
    for step in play(open_recording(file).files, board):
        seen.append(step)
        if isinstance(step, EventReceived | QuotesMoved):
            pictures[step.at] = picture(board)
    kinds = [type(step) for step in seen if type(step) is not QuotesMoved]
    assert kinds == [
        SessionBegan,
        RecordsWritten,
        EventReceived,
        RecordsWritten,
        EventReceived,
        EventReceived,
        EventReceived,
        RequestsExchanged,
    ]
    assert pictures == dict(desk.snapshots)
    exchanged = seen[-1]
    assert isinstance(exchanged, RequestsExchanged)
    assert list(exchanged.data["specs"]) == ["z", "a"]
    assert desk.reported == []


def test_what_was_written_outlives_a_process_that_does_not_close(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_side, "FRAME_ITEMS", 1)
    live(desk)
    desk.recorder.wait()  # as if the process died now: the file was never closed
    (file,) = (tmp_path / "run").glob("*.tape")
    assert span(file)[3] >= 6
    assert list(play((file,), Board()))


def test_a_file_laid_out_again_holds_the_same(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_side, "FRAME_ITEMS", 1)
    monkeypatch.setattr(recording_side, "repack", lambda *_: None)
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    before, frames = list(play((file,), Board())), span(file)[3]
    repack(file, lambda: True)
    assert span(file)[3] == frames, "given up, it is as it was written"
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    repack(file)
    assert span(file)[3] == 1 < frames
    assert list(play((file,), Board())) == before


def test_each_day_has_a_file_and_its_market_data_stands_alone(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.at = START + timedelta(days=1)
    desk.receive(MarketDataUpdated(desk.at))
    desk.recorder.close()
    first, second = sorted((tmp_path / "run").glob("*.tape"))
    assert open_recording(second).files == (first, second)
    alone = Board()
    list(play((second,), alone))
    assert picture(alone) == desk.snapshots[-1][1]


def test_a_missing_day_before_is_named(desk: Desk, tmp_path: Path) -> None:
    test_each_day_has_a_file_and_its_market_data_stands_alone(desk, tmp_path)
    first, second = sorted((tmp_path / "run").glob("*.tape"))
    first.unlink()
    with pytest.raises(StoreError, match="which is not in its folder"):
        open_recording(second)


def test_who_reads_a_day_does_not_keep_the_next_from_being_recorded(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.wait()
    (file,) = (tmp_path / "run").glob("*.tape")
    with closing(sqlite3.connect(file)) as reader:
        assert reader.execute("SELECT name FROM head").fetchone()  # and the rest of it is not fetched
        desk.at = START + timedelta(days=1)
        desk.receive(MarketDataUpdated(desk.at))
        desk.recorder.close()
    first, second = sorted((tmp_path / "run").glob("*.tape"))
    assert desk.reported == []
    assert list(play((first,), Board()))
    assert list(play((second,), Board()))


def test_between_its_frames_a_file_is_let_go(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_side, "FRAME_ITEMS", 1)
    monkeypatch.setattr(file_side, "AT_ONCE", 1)
    live(desk)
    desk.recorder.wait()
    (file,) = (tmp_path / "run").glob("*.tape")
    frames = read_frames(file)
    assert next(frames)
    assert next(frames)
    desk.recorder.close()
    assert not file.with_name(f"{file.name}-wal").exists()
    with pytest.raises(StoreError, match="was compacted while it was read"):
        list(frames)


def test_a_damaged_frame_is_named(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE frames SET ops = CAST(x'00' || ops AS BLOB)")
    with pytest.raises(StoreError, match=r"frame 1 of .* is damaged"):
        list(read_frames(file))


@pytest.mark.parametrize("part", ["ops", "numbers"])
@pytest.mark.parametrize("body", [zlib.compress(b" " * 20_000), zlib.compress(b" " * 500)[:-4], b"no zlib"])
def test_a_frame_that_is_large_beyond_reason_or_not_whole_is_named(
    part: str, body: bytes, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of somebody else, 2 MB, took 4 GB until it was refused; all its checksums are right."""
    monkeypatch.setattr(inflate, "MOST", 10_000)
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    (frame,) = read_frames(file)
    frame = frame._replace(**{part: body})
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE frames SET {part} = ?, crc = ?", (body, frame.crc(1)))
    with pytest.raises(StoreError, match=r"frame 1 of .* cannot be read: ValueError\(.*made small"):
        list(play((file,), Board()))


def test_a_frame_that_is_nested_too_deep_is_named(desk: Desk, tmp_path: Path) -> None:
    """A file of somebody else ended `rulebot replay` with a traceback of the parser."""
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    (frame,) = read_frames(file)
    frame = frame._replace(ops=zlib.compress(b"[" * 200_000 + b"]" * 200_000))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE frames SET ops = ?, crc = ?", (frame.ops, frame.crc(1)))
    with pytest.raises(StoreError, match=r"frame 1 of .* cannot be read: .*nested too deep"):
        list(play((file,), Board()))


def damaged(content: bytes, chance: Random) -> bytes:
    """Return a file with bits turned, bytes lost or brought in, pages exchanged, or cut off."""
    found, page = bytearray(content), 4096
    place = chance.randrange(len(found))
    one, other = (chance.randrange(len(found) // page) * page for _ in range(2))
    match chance.randrange(7):
        case 0:
            found[place] ^= 1 << chance.randrange(8)
        case 1:
            found[chance.randrange(3 * page)] ^= 1 << chance.randrange(8)
        case 2:
            del found[place:]
        case 3:
            found[place:place] = chance.randbytes(chance.choice((1, 16, page)))
        case 4:
            del found[place : place + chance.choice((1, 16, page))]
        case 5:
            found[place : place + 512] = bytes(len(found[place : place + 512]))
        case _:
            found[one : one + page], found[other : other + page] = found[other : other + page], found[one : one + page]
    return bytes(found)


def test_what_is_read_of_a_damaged_file_is_what_was_written(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    whole = read_head(file) | {
        "install": "a1" * 3000,
        "specs": {f"bot{place}": "rulebot: 1\n" * 99 for place in range(9)},
    }
    (frame,) = read_frames(file)
    incomplete = tmp_path / "torn" / file.name
    writer = RecordingWriter(incomplete, {name: value for name, value in whole.items() if name != "format"})
    frames = [frame._replace(last_at=frame.last_at + place) for place in range(40)]
    for each in frames:
        writer.add(each)
    writer.close()
    content = incomplete.read_bytes()
    refused: list[str] = []
    for place in range(600):
        incomplete.write_bytes(damaged(content, Random(place)))
        found: list[Frame] = []
        head = whole
        try:
            head = read_head(incomplete)
            found.extend(read_frames(incomplete))
            listed(tmp_path / "torn")
        except StoreError as error:
            refused.append(error.message)
        assert (head, found) == (whole, frames[: len(found)]), place
    assert len(refused) > 200
    assert all(str(incomplete) in each for each in refused)


@pytest.mark.parametrize("read", [read_head, lambda file: list(read_frames(file)), open_recording])
def test_an_earlier_format_is_refused_and_says_which_rulebot_recorded_it(
    read: Callable[[Path], object], desk: Desk, tmp_path: Path
) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE head SET value = '3' WHERE name = 'format'")
        connection.execute("INSERT OR REPLACE INTO head VALUES ('version', '\"0.0.9\"')")
    with pytest.raises(StoreError, match=f"is a recording of format 3, and this rulebot reads {FORMAT}") as caught:
        read(file)
    assert caught.value.help == "use the rulebot that recorded it, version 0.0.9"


def test_a_frame_that_is_missing_is_named(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE frames SET seq = 2")
    with pytest.raises(StoreError, match="frame 1 is missing, or not in its place"):
        list(read_frames(file))


@pytest.mark.parametrize(("place", "damaged"), [(0, b"#"), (1, b"\xc3"), (1, b"~")])
def test_a_damaged_head_is_one_of_a_recording(place: int, damaged: bytes, desk: Desk, tmp_path: Path) -> None:
    """A bit that had turned in it made it "no recording: Expecting ',' delimiter", or "Could not decode to UTF-8"."""
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.text_factory = bytes
        ((was,),) = connection.execute("SELECT value FROM head WHERE name = 'version'")
        now = was[:place] + damaged + was[place + 1 :]
        connection.execute("UPDATE head SET value = CAST(? AS TEXT) WHERE name = 'version'", (now,))
    with pytest.raises(StoreError, match=r"the head of .* is damaged: its checksum is wrong"):
        open_recording(file)


def test_a_frame_of_no_time_is_reported(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE frames SET last_at = 1 << 62")
    with pytest.raises(StoreError, match="its frames have no times"):
        span(file)


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    text = tmp_path / "2026-10-21.tape"
    text.write_text("no database", encoding="utf-8")
    with pytest.raises(StoreError, match="is no recording"):
        open_recording(text)
    with pytest.raises(StoreError, match="there is no recording"):
        open_recording(tmp_path / "2026-10-22.tape")


def test_a_recording_that_was_cut_off_is_no_file_of_another_kind(desk: Desk, tmp_path: Path) -> None:
    """Half of a copy was called no recording: who reads that deletes it, and looks for no whole one."""
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: size // 2])
    for reads in (open_recording, span):
        with pytest.raises(StoreError, match=f"is cut off: {size // 2:,} of its {size:,} bytes are there") as found:
            reads(file)
        assert found.value.help == "it may have been copied in part: copy it again"


def test_two_recordings_in_one_file_are_refused(desk: Desk, tmp_path: Path) -> None:
    """SQLite reads the first and says nothing of the second."""
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() * 2)
    for read in (open_recording, lambda each: list(read_frames(each))):
        with pytest.raises(StoreError, match=f"has {size:,} bytes behind its end"):
            read(file)
    assert ["keep each recording in its own file" in each.problem for each in listed(tmp_path)] == [True]


def test_what_a_crash_left_is_read_with_its_log_though_a_part_of_it_has_come_into_the_file(tmp_path: Path) -> None:
    file, left = tmp_path / "run" / "2026-10-21.tape", tmp_path / "left" / "2026-10-21.tape"
    left.parent.mkdir()
    writer = RecordingWriter(file, {"version": "1", "day": "2026-10-21"})
    frames = [Frame(place, place, 0, bytes(9000), bytes(9000)) for place in range(1, 9)]
    for number, frame in enumerate(frames, 1):
        writer.add(frame)
        if number % 3 == 0:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA wal_checkpoint")
        for each in (file, file.with_name(f"{file.name}-wal")):
            copy(each, left.parent)
        assert list(read_frames(file)) == list(read_frames(left)) == frames[:number]
        left.with_name(f"{left.name}-shm").unlink(missing_ok=True)
    writer.close()


def test_a_newer_format_is_refused(desk: Desk, tmp_path: Path) -> None:
    live(desk)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE head SET value = '99' WHERE name = 'format'")
    with pytest.raises(StoreError, match="of format 99"):
        open_recording(file)


def test_a_disk_that_fails_is_reported_once_and_the_engine_continues(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be", encoding="utf-8")
    desk = Desk(tmp_path / "run")
    live(desk)
    desk.recorder.close()
    live_again = MarketDataUpdated(desk.at + timedelta(seconds=1))
    desk.recorder.took(live_again, (), changed=True)
    assert len(desk.reported) == 1
    assert desk.reported[0].startswith("nothing more is recorded: no recording can be written to")


def test_a_day_that_cannot_be_laid_out_is_reported_and_the_next_one_is_recorded(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a third more of the disk for a while; nothing was recorded any more where that was not there."""

    def fails(file: Path, _: object) -> None:
        if file.name == "2026-10-21.tape":
            raise StoreError(f"no space for {file.name}")

    monkeypatch.setattr(recording_side, "repack", fails)
    live(desk)
    desk.at = START + timedelta(days=1)
    desk.receive(MarketDataUpdated(desk.at))
    desk.recorder.close()
    assert desk.reported == ["a recording stays larger than it could be: no space for 2026-10-21.tape"]
    for day in (21, 22):
        assert list(play((tmp_path / "run" / f"2026-10-{day}.tape",), Board()))


def test_the_loop_waits_for_no_day_that_is_laid_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of 90 lines takes minutes: at midnight the loop stood still, and was ended after half a minute."""
    monkeypatch.setattr(recording_side, "FRAME_ITEMS", 1)
    released, has_waited = threading.Event(), list[bool]()

    def takes_long(*_: object) -> None:
        has_waited.append(not released.wait(5.0))

    monkeypatch.setattr(recording_side, "repack", takes_long)
    live(desk)
    desk.at = START + timedelta(days=1)
    for _ in range(3 * recording_side.WAITING):
        desk.wait(1)
        desk.receive(MarketDataUpdated(desk.at))
    released.set()
    desk.recorder.close()
    assert has_waited[0] is False


def test_a_run_that_is_stopped_leaves_a_long_day_as_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def takes_long(_: Path, is_over: Callable[[], bool]) -> None:
        while not is_over():
            time.sleep(0.005)

    monkeypatch.setattr(recording_side, "repack", takes_long)
    live(desk)
    desk.recorder.end()
    assert not desk.recorder.is_kept
    desk.recorder.close(0.02)
    assert desk.recorder.is_kept


def test_every_kind_of_event_comes_back(desk: Desk, tmp_path: Path) -> None:
    up = Connected(
        at=START, account="DU1", client_id=1, next_order_id=7, order_refs=("rb:x:1",), positions=((PUT, Decimal(-2)),)
    )
    desk.receive(up)
    desk.recorder.close()
    (file,) = (tmp_path / "run").glob("*.tape")
    assert [step.event for step in play((file,), Board()) if isinstance(step, EventReceived)] == [up]


def test_two_engines_on_one_board_have_a_whole_recording_each(desk: Desk, tmp_path: Path) -> None:
    """The second hears after the first, and not each time; a quote comes in between; at last the first has stopped."""
    other = Recorder(tmp_path / "other", {"version": "1"}, desk.board, desk.reported.append, first=desk.recorder)
    seen: list[tuple[datetime, bytes]] = []
    rows = [desk.board.add(each) for each in (SPX, VIX, PUT)]
    for number in range(40):
        desk.wait(1)
        for place, contract in enumerate((SPX, VIX, PUT)):
            if number % (place + 2) == 0:
                desk.quote(contract, 100.0 * place + number)
        desk.receive(MarketDataUpdated(desk.at, tuple(rows)), changed=number % 3 == 0)
        if number % 4 == 1:
            continue
        if number % 7 == 0:
            desk.quote(SPX, 7000.0 + number)
        seen.append((desk.at, picture(desk.board)))
        other.took(MarketDataUpdated(desk.at, ()), (), changed=True)
        if number == 30:
            desk.recorder.close()
    assert not desk.board.unread
    other.close()
    for folder, reported in (("run", desk.snapshots[:31]), ("other", seen)):
        board, found = Board(), {}
        for step in play(tuple((tmp_path / folder).glob("*.tape")), board):
            if isinstance(step, EventReceived | QuotesMoved):
                found[step.at] = picture(board)
        known = dict(reported)
        assert {at: found[at] for at in found} == {at: known[at] for at in found}
        assert len(found) > 20
