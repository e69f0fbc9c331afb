"""What one edit of a spec changes, in the words of `explain`: `rulebot diff`."""
