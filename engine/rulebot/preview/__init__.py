"""A connection that only looks: what streams, and what each structure would be made of now. Nothing is sent."""
