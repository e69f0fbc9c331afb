"""Trials of an engine under faults and crashes, drawn from a seed and judged from outside."""
