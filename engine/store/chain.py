"""The hash chain of a journal: each record's hash covers the one before, so no stored byte changes unnoticed."""

import hashlib

from sqlalchemy import Connection

from engine.model.values import dataclass
from engine.record.codec import json_text

FIRST_HASH = "0" * 64
_ALL = "SELECT seq, at, kind, bot, position, data, hash FROM journal ORDER BY seq"
_NOT_WRITTEN = "its content is not what was written"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first record that is not what was written, and why we know."""

    seq: int
    why: str


def verify(connection: Connection) -> ChainBreak | None:
    """Return the first break of the hash chain, None when it is whole."""
    hash_before, wanted = FIRST_HASH, 1
    with connection.begin():
        cursor = connection.connection.cursor()
        try:
            for seq, at, kind, bot, position, data, found in cursor.execute(_ALL):
                if seq != wanted:
                    return ChainBreak(seq, f"number {wanted} is missing")
                texts = (at, kind, bot, position, data)
                if not all(type(each) is str for each in texts) or chained(hash_before, _stored_line(*texts)) != found:
                    return ChainBreak(seq, _NOT_WRITTEN)
                hash_before, wanted = found, seq + 1
        finally:
            cursor.close()
    return None


def chained(before: str, line: str) -> str:
    """Return the hash of a record: of the hash before it, then its canonical line."""
    return hashlib.sha256(f"{before}{line}".encode()).hexdigest()


def _stored_line(at: str, kind: str, bot: str, position: str, data: str) -> str:
    names = json_text(bot), json_text(position)
    return f'{{"at":"{at}","bot":{names[0]},"data":{data},"kind":"{kind}","position":{names[1]}}}'
