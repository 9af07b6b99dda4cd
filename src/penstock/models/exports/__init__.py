"""Model graphs written in the forms of other systems."""
