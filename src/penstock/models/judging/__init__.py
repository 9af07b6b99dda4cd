"""How good predictions are: labels, metrics, calibration, curves."""

BINS = 10
"""How many bins of predictions there are, as in BigQuery."""
