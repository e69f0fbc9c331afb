"""What a run left, checked from outside: its store against itself, and against the ledger of the simulated broker."""
