"""One server for a project: predictions, runs and their logs, models, SQL, metrics, documentation."""

from penstock.serving.server import serve

__all__ = ["serve"]
