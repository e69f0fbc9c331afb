"""Questions about a state that several stages ask; nothing here changes anything."""
