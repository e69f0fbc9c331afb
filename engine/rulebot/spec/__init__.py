"""YAML text to Spec, every problem with its file, line and column."""
