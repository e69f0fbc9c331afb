"""What is booked: fills, settlements, estimates of what was closed elsewhere."""
