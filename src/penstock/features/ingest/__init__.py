"""Rows on their way in: checked, staged, committed, set aside where they are wrong; from batches and streams."""
