"""Faults of the simulated gateway: the kinds there are, the plan of a run, and what each does."""
