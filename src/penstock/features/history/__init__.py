"""Histories: Delta tables in which every row stays that was ever ingested, committed in turn."""
