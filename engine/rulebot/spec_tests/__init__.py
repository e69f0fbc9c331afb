"""Tests of a spec: the production turn in a small simulated market, and what is expected of it."""
