"""Reports to Book: what we own and what is working."""
