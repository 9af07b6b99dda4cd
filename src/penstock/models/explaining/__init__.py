"""Why a prediction is what it is: what each feature adds, in one row and in many."""

TOP = 5
"""How many features an explanation names, unless told otherwise: BigQuery's default."""
