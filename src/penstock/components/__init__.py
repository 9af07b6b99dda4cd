"""Prebuilt steps: from reading rows to promoting a model. Inside a pipeline they are steps, outside plain functions."""

from penstock.components.ablation_plot import plot_ablation
from penstock.components.approval import approve
from penstock.components.blessing import Blessing, bless, bound
from penstock.components.calibration_plot import plot_calibration
from penstock.components.data import read
from penstock.components.describing import statistics
from penstock.components.expecting import schema
from penstock.components.feature_ingest import ingest
from penstock.components.feature_join import historical_features
from penstock.components.imagery import image_bytes, read_images, with_images
from penstock.components.importance_plot import plot_importance
from penstock.components.importing import import_artifact
from penstock.components.inferring import predict
from penstock.components.infra_validation import infra_validate
from penstock.components.learning import evaluate, fit
from penstock.components.naming import name, named
from penstock.components.notifying import notify
from penstock.components.pandera_schema import from_pandera, to_pandera
from penstock.components.production_rows import labelled_rows
from penstock.components.pushing import push
from penstock.components.reporting import report
from penstock.components.slices_plot import plot_slices
from penstock.components.splitting import Split, SplitInThree, split
from penstock.components.statistics_page import plot_statistics
from penstock.components.tuning import tune
from penstock.components.tuning_plot import plot_tuning
from penstock.components.validation import Validated, check, validate
from penstock.transforms import rule

__all__ = [
    "Blessing",
    "Split",
    "SplitInThree",
    "Validated",
    "approve",
    "bless",
    "bound",
    "check",
    "evaluate",
    "fit",
    "from_pandera",
    "historical_features",
    "image_bytes",
    "import_artifact",
    "infra_validate",
    "ingest",
    "labelled_rows",
    "name",
    "named",
    "notify",
    "plot_ablation",
    "plot_calibration",
    "plot_importance",
    "plot_slices",
    "plot_statistics",
    "plot_tuning",
    "predict",
    "push",
    "read",
    "read_images",
    "report",
    "rule",
    "schema",
    "split",
    "statistics",
    "to_pandera",
    "tune",
    "validate",
    "with_images",
]
