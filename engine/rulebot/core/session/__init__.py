"""The session: its start, its marks, outages, and texts that change."""
