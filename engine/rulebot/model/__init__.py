"""The nouns of an options desk, as frozen values; the ground floor, imports nothing of ours."""
