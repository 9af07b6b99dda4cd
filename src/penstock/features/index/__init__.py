"""The retrieval index: rows of a history sorted by key and time, and windows over them."""
