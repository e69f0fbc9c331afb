"""Specs, account and universe documents loaded and compiled for a command or a run."""
