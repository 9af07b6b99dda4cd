"""Reports on cascades: the whole beside one model and a router that is always right, and each route in it."""

from penstock.models.reporting.reports import REPORT, answerable, report
from penstock.models.reporting.saying import SINGLE, metric_name, number, of_whole, percent

__all__ = ["REPORT", "SINGLE", "answerable", "metric_name", "number", "of_whole", "percent", "report"]
