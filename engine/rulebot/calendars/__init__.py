"""Event calendars: the shipped files, and those of a person."""
