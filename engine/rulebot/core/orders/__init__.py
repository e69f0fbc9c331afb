"""What the broker reports about orders and executions, applied to ours."""
