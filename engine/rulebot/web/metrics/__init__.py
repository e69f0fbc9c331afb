"""Metrics for Prometheus: what there is, where each comes from, and how it is told."""
