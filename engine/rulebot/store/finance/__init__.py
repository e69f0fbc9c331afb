"""What an accountant reads of a store: executions, settlements and tax lots, made of the journal alone."""
