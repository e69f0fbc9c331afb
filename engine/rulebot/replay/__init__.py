"""A recorded day lived through again: the same turns, compared with what they led to then."""
