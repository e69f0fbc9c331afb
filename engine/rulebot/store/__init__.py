"""The journal in SQL, and what is read back from it."""
