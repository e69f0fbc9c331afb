"""Safeguards of the engine switched off one at a time: whether chaos sees it, and after how many seeds.

`python -m tests.safeguards` prints the table of docs/reliability.md. Nothing in `engine/` can switch one off.
"""
