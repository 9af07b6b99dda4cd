"""penstock: from raw table to trustworthy production model, as one system.

Names are loaded when they are first used, so that `import penstock` costs a few milliseconds and pulls in no library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.cascades import (
        Cascade as Cascade,
        Route as Route,
        cascade as cascade,
        confidence as confidence,
        fit as fit,
        historical_features as historical_features,
        plot_cascade as plot_cascade,
        probability as probability,
        route as route,
    )
    from penstock.components import (
        Blessing as Blessing,
        approve as approve,
        bless as bless,
        bound as bound,
        check as check,
        evaluate as evaluate,
        from_pandera as from_pandera,
        image_bytes as image_bytes,
        import_artifact as import_artifact,
        infra_validate as infra_validate,
        ingest as ingest,
        labelled_rows as labelled_rows,
        name as name,
        named as named,
        notify as notify,
        plot_ablation as plot_ablation,
        plot_calibration as plot_calibration,
        plot_importance as plot_importance,
        plot_slices as plot_slices,
        plot_statistics as plot_statistics,
        plot_tuning as plot_tuning,
        predict as predict,
        push as push,
        read as read,
        read_images as read_images,
        report as report,
        rule as rule,
        schema as schema,
        split as split,
        statistics as statistics,
        to_pandera as to_pandera,
        tune as tune,
        validate as validate,
        with_images as with_images,
    )
    from penstock.core.artifact import Artifact as Artifact, Source as Source
    from penstock.core.ports import Context as Context
    from penstock.features import (
        FeatureService as FeatureService,
        FeatureSet as FeatureSet,
        feature_service as feature_service,
        feature_set as feature_set,
        redis_stream as redis_stream,
    )
    from penstock.models import (
        ModelGraph as ModelGraph,
        explain_image as explain_image,
        explain_text as explain_text,
        hparam_candidates as hparam_candidates,
        hparam_range as hparam_range,
        load_model as load_model,
        model as model,
    )
    from penstock.monitor import (
        cron as cron,
        degraded as degraded,
        drift as drift,
        event as event,
        event_data as event_data,
        every as every,
        new_artifact as new_artifact,
        new_file as new_file,
        on as on,
        run_finished as run_finished,
        stale as stale,
    )
    from penstock.operations import (
        col as col,
        feature as feature,
        lit as lit,
        request as request,
        struct as struct,
        threshold as threshold,
    )
    from penstock.pipelines import (
        Mode as Mode,
        Pipeline as Pipeline,
        component as component,
        log_metric as log_metric,
        node as node,
        optional as optional,
        parameter as parameter,
        pipeline as pipeline,
        spans as spans,
        step as step,
        unmapped as unmapped,
        when as when,
    )
    from penstock.project import Project as Project, Run as Run
    from penstock.remote import RemoteProject as RemoteProject, open as open
    from penstock.secrets import Secret as Secret, secret as secret
    from penstock.tables import Table as Table
    from penstock.values import (
        Figure as Figure,
        Metrics as Metrics,
        codec as codec,
        html as html,
        pickled as pickled,
        png as png,
        svg as svg,
    )

__version__ = "0.1.0"

# Room -> the public names that it has, in the order of the patterns in the README.
_NAMES = {
    "penstock.remote": ("open", "RemoteProject"),
    "penstock.project": ("Project", "Run"),
    "penstock.pipelines": (
        "step", "component", "pipeline", "Pipeline", "node", "parameter", "when", "optional", "unmapped", "spans",
        "Mode", "log_metric",
    ),
    "penstock.components": (
        "read", "statistics", "schema", "rule", "validate", "check", "split", "from_pandera", "to_pandera", "tune",
        "evaluate", "push", "predict", "name", "named",
        "ingest", "labelled_rows", "read_images", "with_images", "image_bytes",
        "bless", "bound", "Blessing", "infra_validate", "approve",
        "notify", "import_artifact", "report", "plot_slices",
        "plot_calibration", "plot_importance", "plot_statistics", "plot_ablation", "plot_tuning",
    ),
    "penstock.monitor": (
        "on", "every", "cron", "new_file", "event", "new_artifact", "run_finished", "stale", "drift", "degraded",
        "event_data",
    ),
    "penstock.operations": ("col", "lit", "struct", "feature", "request", "threshold"),
    "penstock.features": ("feature_set", "FeatureSet", "feature_service", "FeatureService", "redis_stream"),
    "penstock.models": (
        "model", "hparam_range", "hparam_candidates", "load_model", "ModelGraph", "explain_text", "explain_image",
    ),
    "penstock.cascades": (
        "fit", "historical_features", "cascade", "Cascade", "route", "Route", "probability", "confidence",
        "plot_cascade",
    ),
    "penstock.core.ports": ("Context",),
    "penstock.core.artifact": ("Source", "Artifact"),
    "penstock.secrets": ("secret", "Secret"),
    "penstock.tables": ("Table",),
    "penstock.values": ("Figure", "html", "svg", "png", "Metrics", "codec", "pickled"),
}  # fmt: skip
_ROOMS = {name: room for room, names in _NAMES.items() for name in names}

__all__ = [*_ROOMS, "errors"]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("penstock.errors")
    if name not in _ROOMS:
        raise AttributeError(f"module 'penstock' has no attribute '{name}'")
    value = getattr(importlib.import_module(_ROOMS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Bring `%%penstock` to a notebook: `%load_ext penstock`."""
    importlib.import_module("penstock.notebooks").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take `%%penstock` away again."""
    importlib.import_module("penstock.notebooks").unload(shell)
