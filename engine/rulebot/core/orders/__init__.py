"""Orders, statuses and executions: applies the broker's reports to our orders."""
