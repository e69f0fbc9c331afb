"""Spec to Plan: names resolved, units checked, states as a table."""
