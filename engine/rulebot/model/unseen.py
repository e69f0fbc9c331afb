"""Ids of executions that nobody has told: what is taken up from the account is booked under a name of our own.

Such an id is made like the broker's: what comes after the last point counts the revisions. The first one is an
estimate, until the fill is told or a person puts its price right; both make a further revision of it.
"""

UNSEEN = "unseen:"
"""How these ids begin."""
FIRST_REVISION = ".01"
"""How the id of an estimate ends that nothing has taken the place of."""


def unseen_base(of: str, leg: str) -> str:
    """Return the id, without its revision, of what a leg of an order or a position (`of`) has dealt unseen."""
    return f"{UNSEEN}{of}:{leg}"


def missed_base(position: str, leg: str, closed: int) -> str:
    """Return the same of what the account has no more of a leg, of which so many contracts were closed before.

    Others may close a leg part by part, each at a price of its own.
    """
    return unseen_base(f"{position}:{closed}" if closed else position, leg)


def first_revision(base: str) -> str:
    """Return the id of what is booked first under this id without a revision."""
    return f"{base}{FIRST_REVISION}"


def next_revision(exec_id: str) -> str:
    """Return the id of an execution that takes the place of this one."""
    base, _, revision = exec_id.rpartition(".")
    return f"{base}.{int(revision) + 1:02d}"


def is_synthetic(exec_id: str) -> bool:
    """Say whether nobody told this execution when it was booked; its price may have been put right since."""
    return exec_id.startswith(UNSEEN)


def is_estimate(exec_id: str) -> bool:
    """Say whether nobody has told this execution, and nothing has taken its place."""
    return is_synthetic(exec_id) and exec_id.endswith(FIRST_REVISION)
