"""What must always be true, checked on a journal that is already written."""
