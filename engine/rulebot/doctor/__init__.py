"""Whether all is ready for a run: checks that look and never write, send or change anything. `examine.py` begins."""
