"""Plan and snapshot to Evaluation: true, false or unknown, and why."""
