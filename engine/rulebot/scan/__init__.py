"""Scans: each structure of some specs as of now, measured and ranked by the spec. Entry module: `scan.py`."""
