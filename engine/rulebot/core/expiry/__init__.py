"""Options that expire, settled into cash or shares."""
