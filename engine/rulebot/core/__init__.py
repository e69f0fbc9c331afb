"""One event in; a new state, records and commands out: the deterministic heart."""
