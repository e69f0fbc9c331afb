"""Observing: an engine decides on live data, and nothing it decides leaves this process."""
