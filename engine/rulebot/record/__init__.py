"""Everything that happened as Records: enough to replay the day and explain it."""
