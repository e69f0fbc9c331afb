"""What streams, contract by contract: live, delayed, not subscribed, or silent."""

import re
from collections.abc import Mapping
from enum import Enum
from math import isnan

from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.no_data import DELAYED, ELSEWHERE, LINES_USED_UP, NOT_SUBSCRIBED, PARTLY
from rulebot.model.contract import Contract
from rulebot.model.values import dataclass

CODE = re.compile(r"\(error (\d+)")
"""Where the words of a trouble name the broker's code."""


class Stream(Enum):
    """What comes on a market data line, the worst first."""

    NOT_SUBSCRIBED = "not subscribed"
    DELAYED = "delayed, never traded on"
    ELSEWHERE = "taken by another session of this user"
    NO_LINE = "no market data line left"
    REFUSED = "refused"
    SILENT = "nothing came"
    PARTLY = "live in part"
    LIVE = "live"


_BY_CODE: Mapping[int, Stream] = {
    **dict.fromkeys(NOT_SUBSCRIBED, Stream.NOT_SUBSCRIBED),
    DELAYED: Stream.DELAYED,
    **dict.fromkeys(PARTLY, Stream.PARTLY),
    ELSEWHERE: Stream.ELSEWHERE,
    LINES_USED_UP: Stream.NO_LINE,
}


@dataclass(frozen=True, slots=True)
class PreviewData:
    """What a line has brought so far; `trouble` in the broker's words."""

    stream: Stream
    trouble: str = ""


def seen_on(feed: IbFeed, contract: Contract) -> PreviewData:
    """Return what the line of a contract that is streamed has brought."""
    trouble = feed.troubles.get(contract, "")
    if trouble:
        code = CODE.search(trouble)
        return PreviewData(_BY_CODE.get(int(code[1]) if code else 0, Stream.REFUSED), trouble)
    row = feed.board.rows.get(contract, -1)
    if row in feed.board.frozen:
        return PreviewData(Stream.DELAYED)
    if row < 0 or (isnan(feed.board.quote_at[row]) and isnan(feed.board.last_at[row])):
        return PreviewData(Stream.SILENT)
    return PreviewData(Stream.LIVE)
