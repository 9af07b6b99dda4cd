"""A project that is served elsewhere, with the surface of one that is here."""
