"""Past sessions as they were recorded: orders that the recording knows get the answers that it has."""
