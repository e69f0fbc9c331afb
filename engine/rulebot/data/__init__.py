"""Other people's option data: its layout is recognised, its rows are checked, and it is stored as a source."""
