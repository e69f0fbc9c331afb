"""What the engine knows between two events, in ten frozen parts, and the builder of the next one."""
