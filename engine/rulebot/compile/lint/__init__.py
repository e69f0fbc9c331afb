"""What is legal and unlikely in a spec, found before it costs money."""
