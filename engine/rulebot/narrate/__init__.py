"""Sentences for people about a run: status, reports, explanations, alarms."""
