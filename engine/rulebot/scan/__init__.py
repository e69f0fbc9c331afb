"""What each structure of some specs would be now, measured and ranked by the spec's own words. `scan.py` begins."""
