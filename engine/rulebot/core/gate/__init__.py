"""What may go out: halts, limits of entries, exposure, margin, price limits, and exits that wait."""
