"""Metrics for Prometheus: their list, their sources and their format."""
