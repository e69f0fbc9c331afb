"""How a document is laid out: its text taken apart with all comments, put in order, and written again."""
