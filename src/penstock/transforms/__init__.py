"""Transforms: expressions over many rows. Learned constants, batches, the check of forms, profiles, splits."""

from __future__ import annotations

from penstock.transforms.agreement import Disagreement, Disagreements, Raised, check_forms, same_bits
from penstock.transforms.applying import apply, apply_batches, select_sql
from penstock.transforms.comparing import CHANGES, changes
from penstock.transforms.describing import DESCRIPTION, describe_data
from penstock.transforms.distances import Cells, Distance, cells, cells_of_statistics, distance_of_cells
from penstock.transforms.distributions import BUCKETS, RANKS, Distribution, Metric, distance, distributions
from penstock.transforms.edges import edge_rows
from penstock.transforms.expectations import ExpectedSchema, anomalies, infer_schema
from penstock.transforms.freezing import freeze
from penstock.transforms.measuring import measured
from penstock.transforms.profiles import Profile, profile
from penstock.transforms.splitting import folds_by_hash, folds_by_time, split_by_hash, split_by_time

__all__ = [
    "BUCKETS",
    "CHANGES",
    "DESCRIPTION",
    "RANKS",
    "Cells",
    "Disagreement",
    "Disagreements",
    "Distance",
    "Distribution",
    "ExpectedSchema",
    "Metric",
    "Profile",
    "Raised",
    "anomalies",
    "apply",
    "apply_batches",
    "cells",
    "cells_of_statistics",
    "changes",
    "check_forms",
    "describe_data",
    "distance",
    "distance_of_cells",
    "distributions",
    "edge_rows",
    "folds_by_hash",
    "folds_by_time",
    "freeze",
    "infer_schema",
    "measured",
    "profile",
    "same_bits",
    "select_sql",
    "split_by_hash",
    "split_by_time",
]
