"""The front door: a file of the broker against a store."""

from pathlib import Path

from rulebot.core.other_engines import PREFIX
from rulebot.record.record import Kind
from rulebot.statement.flex_query import read_flex
from rulebot.statement.reconcile import Orders, Reconciliation, reconcile
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader


def reconcile_file(store: Place, statement: Path) -> Reconciliation:
    """Compare a store with an Activity Flex Query. Raises: MisuseError for a file that is none of it; StoreError."""
    with StoreReader(store) as reader:
        books, found = reader.books(("orders",))
        installs = {record.data.get("install") for record in reader.records((Kind.RUN_STARTED,))} - {None}
    orders = found["orders"]
    ref, perm_id = orders.columns.index("ref"), orders.columns.index("ibkr_perm_id")
    known = Orders(
        refs=frozenset(str(row[ref]) for row in orders.rows),
        perm_ids=frozenset(int(row[perm_id]) for row in orders.rows if row[perm_id]),
        begin=tuple(f"{PREFIX}{install}:" for install in installs),
    )
    return reconcile(books, known, read_flex(statement, books.accounts))
