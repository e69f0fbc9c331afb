from sqlalchemy import Connection

from engine.record.record import Record


def project(connection: Connection, records: list[tuple[int, Record]]) -> None:
    return None
