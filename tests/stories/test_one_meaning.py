"""The same Arrow batch through DuckDB here, through the row function, and in workers of other zones, locales and
threads: equal bytes, for every operation, learned or not, and for models on top of them."""

from __future__ import annotations

import datetime
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import every_operation
import numpy as np
import pyarrow as pa
import pytest
from arrow_bytes import differing, ipc, rows_of

import penstock as ps
from penstock import models

ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "C", "PENSTOCK_CPUS": "1", "OMP_NUM_THREADS": "1"}
"""What a worker has otherwise than this process: zone, locale, threads."""


def row_by_row(graph: ps.ModelGraph, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return what the row function gives, as `predict` would: predicted columns first, then what passes through."""
    predictor = models.row_predictor(graph)
    predicted = pa.Table.from_pylist(
        [predictor.predict(row) for row in rows.to_pylist()],
        pa.schema([schema.field(name) for name in graph.signature.outputs.names]),
    )
    passed = [name for name in rows.column_names if name not in predicted.column_names]
    return pa.table([*predicted.columns, *rows.select(passed).columns], names=[*predicted.column_names, *passed])


def rides() -> pa.Table:
    """Return rows as they come: zones, letters, NULL, what was never seen, and numbers at their ends."""
    random = np.random.default_rng(3)
    start = datetime.datetime(2024, 3, 30, 22, tzinfo=datetime.UTC)
    rows: list[dict[str, Any]] = [
        {
            "started": start + datetime.timedelta(minutes=17 * n),
            "station": ["King's Cross", "Łódź", "İstanbul ", None, ""][n % 5],
            "km": float(random.gamma(3, 2)) if n % 7 else None,
            "minutes": float(random.gamma(5, 4)),
        }
        for n in range(500)
    ]
    ends = [(math.inf, "?"), (-0.0, "\x00"), (5e-324, "ﬁ"), (1.7e308, "K")]
    rows += [{"started": None, "station": text, "km": number, "minutes": 1.0} for number, text in ends]
    return pa.Table.from_pylist(rows)


def learned(type: str) -> tuple[ps.ModelGraph, pa.Table]:
    """Return a model on features of many kinds, and the rows to predict."""
    rows = rides()
    features = {
        "hour": "EXTRACT(HOUR FROM started AT TIME ZONE 'Europe/London')",
        "day": "FORMAT_TIMESTAMP('%A', started)",
        "place": "UPPER(TRIM(station))",
        "far": "LOG(1 + LEAST(ABS(km), 1e6))",
        "scaled": "ML.STANDARD_SCALER(LEAST(km, 100)) OVER()",
        "bucket": "ML.QUANTILE_BUCKETIZE(km, 5) OVER()",
    }
    return ps.fit(ps.model("ride", type=type, label="minutes", features=features), rows.slice(0, 500)), rows.drop(
        "minutes"
    )


@pytest.fixture(scope="module")
def cases() -> list[tuple[ps.ModelGraph, pa.Table]]:
    found = [*every_operation.of_examples(), *every_operation.of_learned()]
    return [*found, learned("linear_reg"), learned("boosted_tree_regressor")]


@pytest.fixture(scope="module")
def here(cases: list[tuple[ps.ModelGraph, pa.Table]]) -> list[bytes]:
    """What DuckDB gives in this process."""
    return [ipc(graph.predict(rows)) for graph, rows in cases]


def test_the_cases_hold_every_operation(cases: list[tuple[ps.ModelGraph, pa.Table]]) -> None:
    from penstock.core.expression import walk
    from penstock.operations import LEARNED, OPERATIONS

    used = {node.params["expr"] for graph, _ in cases for node in graph.of("expression")}
    assert {part.op for expr in used for part in walk(expr)} >= set(OPERATIONS)
    assert {graph.name.rpartition("_")[0] for graph, _ in cases} >= set(LEARNED)


def test_row_by_row_gives_the_bytes_of_many_rows(
    cases: list[tuple[ps.ModelGraph, pa.Table]], here: list[bytes]
) -> None:
    made = []
    for (graph, rows), content in zip(cases, here, strict=True):
        with pa.ipc.open_file(content) as file:
            schema = file.schema
        made.append(ipc(row_by_row(graph, rows, schema)))
    assert differing(cases, made, here) == []


def test_a_process_of_another_zone_and_locale_gives_the_same_bytes(
    cases: list[tuple[ps.ModelGraph, pa.Table]], here: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "cases").write_bytes(pickle.dumps([(graph.predict, rows) for graph, rows in cases]))
    program = (
        "import pathlib, pickle, sys, time, locale; locale.setlocale(locale.LC_ALL, ''); from arrow_bytes import ipc\n"
        "assert time.timezone == -20700, time.timezone\n"
        "cases = pickle.loads(pathlib.Path('cases').read_bytes())\n"
        "pathlib.Path('made').write_bytes(pickle.dumps([ipc(predict(rows)) for predict, rows in cases]))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ELSEWHERE, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert differing(cases, pickle.loads((tmp_path / "made").read_bytes()), here) == []


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A Ray of this machine, for the tests of this file, whose workers live elsewhere."""
    ray = pytest.importorskip("ray", reason="Ray is not here: pip install 'penstock[ray]'")
    folders = [Path(ps.__file__).parents[1], Path(__file__).parent, os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(map(str, folders))
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100_000_000,
        runtime_env={"env_vars": {**ELSEWHERE, "PYTHONPATH": path}},
    )
    yield ray
    ray.shutdown()


@pytest.mark.server
def test_a_task_of_ray_gives_the_same_bytes(
    cases: list[tuple[ps.ModelGraph, pa.Table]], here: list[bytes], ray: Any
) -> None:
    @ray.remote
    def predicted(graph: ps.ModelGraph, rows: pa.Table) -> tuple[str, int, bytes]:
        return os.environ["TZ"], os.getpid(), ipc(graph.predict(rows))

    made = ray.get([predicted.remote(graph, rows) for graph, rows in cases], timeout=300)
    assert {zone for zone, _, _ in made} == {ELSEWHERE["TZ"]}
    assert os.getpid() not in {process for _, process, _ in made}
    assert differing(cases, [content for _, _, content in made], here) == []


@pytest.mark.server
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own settings, read by itself
def test_batches_of_a_dataset_of_ray_give_the_same_bytes(
    cases: list[tuple[ps.ModelGraph, pa.Table]], here: list[bytes], ray: Any
) -> None:
    from ray.data import DataContext, from_arrow

    DataContext.get_current().execution_options.preserve_order = True
    DataContext.get_current().enable_progress_bars = False
    models_on_top = [(graph, rows, content) for (graph, rows), content in zip(cases, here, strict=True) if graph.label]
    assert len(models_on_top) == 2
    for graph, rows, content in models_on_top:
        dataset = from_arrow(rows).map_batches(graph.predict, batch_format="pyarrow", batch_size=100)
        made = pa.concat_tables(ray.get(dataset.to_arrow_refs(), timeout=300))
        assert differing([(graph, rows)], [ipc(made.cast(rows_of(content).schema))], [content]) == []
        assert made.num_rows == rows.num_rows
