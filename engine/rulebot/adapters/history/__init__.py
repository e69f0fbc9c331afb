"""Past markets from files: whole sessions as columns, whatever layout they come in."""
