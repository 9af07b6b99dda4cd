"""Transforms: expressions over many rows. Learned constants, batches, the check of forms, profiles, splits."""

from __future__ import annotations

from penstock.transforms.agreement import Disagreement, Disagreements, Raised, check_forms, same_bits
from penstock.transforms.anomalies import Anomaly, Severity, anomaly, check_severities
from penstock.transforms.applying import apply, apply_batches, select_sql
from penstock.transforms.aside import reasons
from penstock.transforms.checking import Checked, Finding, check
from penstock.transforms.clock import DAY_SECONDS, HOUR, TIMES, WEEKDAY, clock_columns, flattened, is_time
from penstock.transforms.comparing import CHANGES, changes
from penstock.transforms.describing import DESCRIPTION, describe_data
from penstock.transforms.distances import (
    DISTANCES,
    Cells,
    Distance,
    cells,
    cells_of_statistics,
    distance_of_cells,
    kept_cells,
)
from penstock.transforms.distributions import BUCKETS, RANKS, Distribution, Metric, distance, distributions
from penstock.transforms.edges import edge_rows
from penstock.transforms.evolving import read_schema, schema_changes, widened, write_schema
from penstock.transforms.expectations import (
    PROPERTIES,
    ExpectedSchema,
    checked_schema,
    in_mode,
    infer_schema,
    reviewed_schema,
)
from penstock.transforms.freezing import freeze
from penstock.transforms.measuring import measured
from penstock.transforms.profiles import Profile, column_of, profile
from penstock.transforms.rules import Rule, other_table, rule, rules_of
from penstock.transforms.shifts import LEAST_ROWS, edges_of, profile_of_learned, shifts
from penstock.transforms.splitting import (
    folds_by_hash,
    folds_by_time,
    split_at_random,
    split_by_hash,
    split_by_time,
    split_stratified,
)

__all__ = [
    "BUCKETS",
    "CHANGES",
    "DAY_SECONDS",
    "DESCRIPTION",
    "DISTANCES",
    "HOUR",
    "LEAST_ROWS",
    "PROPERTIES",
    "RANKS",
    "TIMES",
    "WEEKDAY",
    "Anomaly",
    "Cells",
    "Checked",
    "Disagreement",
    "Disagreements",
    "Distance",
    "Distribution",
    "ExpectedSchema",
    "Finding",
    "Metric",
    "Profile",
    "Raised",
    "Rule",
    "Severity",
    "anomaly",
    "apply",
    "apply_batches",
    "cells",
    "cells_of_statistics",
    "changes",
    "check",
    "check_forms",
    "check_severities",
    "checked_schema",
    "clock_columns",
    "column_of",
    "describe_data",
    "distance",
    "distance_of_cells",
    "distributions",
    "edge_rows",
    "edges_of",
    "flattened",
    "folds_by_hash",
    "folds_by_time",
    "freeze",
    "in_mode",
    "infer_schema",
    "is_time",
    "kept_cells",
    "measured",
    "other_table",
    "profile",
    "profile_of_learned",
    "read_schema",
    "reasons",
    "reviewed_schema",
    "rule",
    "rules_of",
    "same_bits",
    "schema_changes",
    "select_sql",
    "shifts",
    "split_at_random",
    "split_by_hash",
    "split_by_time",
    "split_stratified",
    "widened",
    "write_schema",
]
