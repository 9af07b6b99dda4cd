"""Predictions of a graph: many rows by one call, one row by a generated function."""
