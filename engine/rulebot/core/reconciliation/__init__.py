"""Our books compared with the account that the broker reports."""
