"""How good predictions are: labels, metrics, calibration, curves."""
