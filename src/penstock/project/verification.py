"""The proof that serving equals batch: raw rows replayed through the endpoint, compared with batch prediction."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pyarrow as pa

from penstock import models
from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import ModelVersion, StepRun
from penstock.errors import DataError, RequestError
from penstock.features import FeatureStore
from penstock.models import ModelGraph, looked_up
from penstock.models.predicting.sameness import TOLERANCE, as_answers, difference
from penstock.project.codecs import load_artifact
from penstock.project.looking_up import History, as_of, look_up

_REQUEST_ROWS = 100
_REPLAYED_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a replay found: rows compared, the largest relative difference, each row that differs with both answers."""

    model: str
    version: int
    endpoint: str
    rows: int
    largest: float
    differing: tuple[dict[str, Any], ...]

    @property
    def equal(self) -> bool:
        """Whether every row got the same answer both ways."""
        return not self.differing


def training_rows(version: ModelVersion, metadata: MetadataStore, store: ArtifactStore) -> pa.Table | None:
    """Return all rows that a version learned from, found by its lineage; None where they are not recorded."""
    run, _, step = version.lineage.get("graph", "").partition("/")
    recorded = metadata.get(StepRun, run, step)
    digest = recorded.inputs.get("rows", "") if recorded is not None else ""
    artifact = metadata.get(Artifact, digest)
    return None if artifact is None else load_artifact(artifact, store)


def learned_rows(version: ModelVersion, metadata: MetadataStore, store: ArtifactStore) -> pa.Table:
    """Return some of the rows that a version learned from, spread over all of them."""
    rows = training_rows(version, metadata, store)
    if rows is None:
        raise DataError(
            f"the rows that model '{version.model}' version {version.version} learned from are not recorded; "
            "give rows to replay: verify(name, rows=...), or --rows FILE"
        )
    spread = np.linspace(0, rows.num_rows - 1, min(rows.num_rows, _REPLAYED_ROWS)).astype(np.int64)
    return rows.take(pa.array(spread))


def verify_graph(
    graph: ModelGraph,
    rows: pa.Table,
    *,
    version: ModelVersion,
    features: History | None = None,
    url: str | None = None,
    token: str = "",
) -> Verification:
    """Replay `rows` through the server at `url` (else through the row form) and compare with batch prediction.

    Features that the graph looks up are read online there, and here as the history has them now. An answer that was
    given while windows moved on, or rows came in, is equal if it is what the history says just after it.

    The server is asked for this very version: another may be promoted meanwhile. `token` is what it wants to see.
    """
    wanted = graph.signature.inputs.names
    raw = rows.select([name for name in wanted if name in rows.column_names])
    now = time.time_ns() // 1000
    batch = _predicted(graph, raw, features, now)
    if url:
        with _endpoint(url, version, token) as answer:
            served = _replay(raw.to_pylist(), answer)
    else:
        store = features if isinstance(features, FeatureStore) else None
        served = _replay(raw.to_pylist(), models.row_predictor(graph, look_up(graph, store, now=now)).answer)
    apart = [difference(expected, got) for expected, got in zip(batch, served, strict=True)]
    odd = [place for place, distance in enumerate(apart) if distance > TOLERANCE]
    if url and odd and looked_up(graph):
        after = _predicted(graph, raw.take(odd), features, time.time_ns() // 1000)
        for place, expected in zip(odd, after, strict=True):
            apart[place] = min(apart[place], difference(expected, served[place]))
    differing = [
        {"row": row, "batch": expected, "served": got}
        for row, expected, got, distance in zip(raw.to_pylist(), batch, served, apart, strict=True)
        if distance > TOLERANCE
    ]
    return Verification(
        model=version.model,
        version=version.version,
        endpoint=url or "row form",
        rows=raw.num_rows,
        largest=max(apart, default=0.0),
        differing=tuple(differing),
    )


def _predicted(graph: ModelGraph, rows: pa.Table, features: History | None, now: int) -> list[dict[str, Any]]:
    """Return batch predictions as any client would see them: through JSON and back."""
    return as_answers(models.predict(graph, as_of(graph, rows, features, now)).select(graph.signature.outputs.names))


def _replay(rows: list[dict[str, Any]], answer: Callable[[bytes], bytes]) -> list[dict[str, Any]]:
    served: list[dict[str, Any]] = []
    for start in range(0, len(rows), _REQUEST_ROWS):
        body = msgspec.json.encode({"instances": rows[start : start + _REQUEST_ROWS]})
        reply: Mapping[str, list[dict[str, Any]]] = msgspec.json.decode(answer(body))
        served.extend(reply["predictions"])
    return served


@contextmanager
def _endpoint(url: str, version: ModelVersion, token: str) -> Iterator[Callable[[bytes], bytes]]:
    """Give the function that posts a body to a model of the server at `url`, over one connection."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise RequestError(f"'{url}' is not the address of a server; give http://host:port")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname, parts.port, timeout=60)
    path = f"{parts.path.rstrip('/')}/v1/models/{version.model}/versions/{version.version}:predict"

    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}

    def post(body: bytes) -> bytes:
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise RequestError(f"no answer from {url}: {error}; is `penstock serve` running there?") from error
        if response.status != http.HTTPStatus.OK:
            said = content[:500].decode(errors="replace")
            raise RequestError(f"{parts.scheme}://{parts.netloc}{path} answered {response.status}: {said}")
        return content

    try:
        yield post
    finally:
        connection.close()
