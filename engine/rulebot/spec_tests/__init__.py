"""Tests of a spec: the production turn in a small market of its own, and what is expected of it."""
