"""What deployed models do in production: what they were asked and said, what was true, and how both change.

`request_log` is written by servers and read by `reading`; `labels` come later, and `joined` puts them beside what was
logged. Over windows of time `performance` judges, `changing` compares, and `rules` say what is a breach.
"""

from penstock.production.changing import METRICS, Tolerance
from penstock.production.events import events
from penstock.production.joined import Place
from penstock.production.labels import add_labels, label_history, label_rows, read_labels
from penstock.production.monitoring import Monitoring, monitor, monitoring_from_json, state
from penstock.production.rules import Breach, Rule, judge, judged_on, rule_of
from penstock.production.windows import window_seconds

__all__ = [
    "METRICS",
    "Breach",
    "Monitoring",
    "Place",
    "Rule",
    "Tolerance",
    "add_labels",
    "events",
    "judge",
    "judged_on",
    "label_history",
    "label_rows",
    "monitor",
    "monitoring_from_json",
    "read_labels",
    "rule_of",
    "state",
    "window_seconds",
]
