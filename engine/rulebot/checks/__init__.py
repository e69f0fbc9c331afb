"""What must hold of any day: by its journal alone, and against the ledger of a simulated broker."""
