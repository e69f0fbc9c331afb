"""Evaluation and position to Decision: the state machine, under limits."""
