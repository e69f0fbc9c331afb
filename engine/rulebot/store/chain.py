"""The hash chain of a journal: each record's hash covers the one before, so no stored byte changes unnoticed."""

import hashlib

from sqlalchemy import Connection, func, select

from rulebot.model.values import dataclass
from rulebot.record.codec import json_text
from rulebot.store.tables import journal

FIRST_HASH = "0" * 64
LAST = 50_000
"""How many of the last records a start follows: some ten sessions of all shipped bots, a fifth of a second."""
_FROM = "SELECT seq, at, kind, bot, position, data, hash FROM journal WHERE seq >= {} ORDER BY seq"
NOT_WRITTEN = "its content is not what was written"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first record that is not what was written, and why we know."""

    seq: int
    why: str


def verify(connection: Connection, last: int | None = None) -> ChainBreak | None:
    """Return the first break of the hash chain, of all of it or of its last records; None when it is whole."""
    with connection.begin():
        highest = connection.scalar(select(func.max(journal.c.seq))) or 0
        wanted = 1 if last is None else max(1, highest - last + 1)
        hash_before = FIRST_HASH
        if wanted > 1:
            hash_before = connection.scalar(select(journal.c.hash).where(journal.c.seq == wanted - 1)) or ""
        cursor = connection.connection.cursor()
        try:
            for seq, at, kind, bot, position, data, found in cursor.execute(_FROM.format(wanted)):
                if seq != wanted:
                    return ChainBreak(seq, f"number {wanted} is missing")
                if not is_link(hash_before, (at, kind, bot, position, data), found):
                    return ChainBreak(seq, NOT_WRITTEN)
                hash_before, wanted = found, seq + 1
        finally:
            cursor.close()
    return None


def is_link(before: str, texts: tuple[str, str, str, str, str], found: str) -> bool:
    """Say whether a record as it is stored has this hash. texts: at, kind, bot, position and data."""
    return all(type(each) is str for each in texts) and chained(before, _stored_line(*texts)) == found


def chained(before: str, line: str) -> str:
    """Return the hash of a record: of the hash before it, then its canonical line."""
    return hashlib.sha256(f"{before}{line}".encode()).hexdigest()


def _stored_line(at: str, kind: str, bot: str, position: str, data: str) -> str:
    names = json_text(bot), json_text(position)
    return f'{{"at":"{at}","bot":{names[0]},"data":{data},"kind":"{kind}","position":{names[1]}}}'
