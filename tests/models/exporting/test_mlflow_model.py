"""A model as MLflow's folder: its pyfunc and its server give the predictions of the graph."""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import ConflictError, DeclarationError

START = datetime.datetime(2024, 5, 5, tzinfo=datetime.UTC)
ROWS = pa.Table.from_pylist(
    [
        {
            "at": START + datetime.timedelta(hours=number),
            "station": ["Kings Cross", "Bank", None][number % 3],
            "bikes": [None, 1, 2, 3][number % 4],
            "duration": float(number % 24),
            "long": number % 24 > 12,
        }
        for number in range(200)
    ]
)
FEATURES = {"hour": ps.col("at").hour(), "station": ps.col("station"), "bikes": ps.col("bikes")}
LINEAR = ps.model("rides", type="linear_reg", label="duration", features=FEATURES)
TREES = ps.model("rides", type="boosted_tree_classifier", label="long", features=FEATURES, options={"num_threads": 1})


@pytest.mark.parametrize("model", [LINEAR, TREES], ids=["linear", "trees"])
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_pyfunc_gives_the_predictions_of_the_graph(model: object, tmp_path: Path) -> None:
    import mlflow.pyfunc

    graph = ps.fit(model, ROWS)
    loaded = mlflow.pyfunc.load_model(str(graph.export("mlflow", tmp_path / "made" / "rides")))
    frame = ROWS.select(["at", "station", "bikes"]).to_pandas()
    frame["at"] = frame["at"].dt.tz_localize(None)
    found = loaded.predict(frame)
    expected = graph.predict(ROWS)
    predicted = graph.signature.outputs.names[0]
    assert found[predicted].tolist() == expected.column(predicted).to_pylist()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[ps.ModelGraph, str]]:
    graph = ps.fit(LINEAR, ROWS)
    folder = graph.export("mlflow", tmp_path / "rides")
    programs = Path(sys.executable).parent
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [programs / "mlflow", "models", "serve", "-m", folder, "--env-manager", "local", "-p", str(port)]
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/ping", process)
        yield graph, f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 90
    while time.monotonic() < limit and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)  # between two looks at a process of another project: nothing there tells us
        else:
            return
    pytest.fail("MLflow's server does not answer")


@pytest.mark.server
def test_mlflows_server_gives_the_predictions_of_the_graph(served: tuple[ps.ModelGraph, str]) -> None:
    graph, address = served
    given = [
        {"at": "2024-05-06T07:30:00", "station": "Bank", "bikes": 2},
        {"at": "2024-05-06T23:30:00", "station": None, "bikes": None},
    ]
    request = urllib.request.Request(
        address, msgspec.json.encode({"dataframe_records": given}), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = msgspec.json.decode(answer.read())["predictions"]
    rows = [{**row, "at": datetime.datetime.fromisoformat(row["at"]).replace(tzinfo=datetime.UTC)} for row in given]
    assert [row["predicted_duration"] for row in found] == [
        pytest.approx(graph.predict_row(row)["predicted_duration"], abs=1e-12) for row in rows
    ]


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(ConflictError, match="is no MLflow model"):
        ps.fit(LINEAR, ROWS).export("mlflow", tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


def test_a_column_that_mlflow_does_not_have_is_named(tmp_path: Path) -> None:
    lists = ps.model("m", type="linear_reg", label="y", features={"n": ps.col("words").array_length()})
    graph = ps.fit(lists, [{"words": ["a"] * (number % 3), "y": float(number)} for number in range(9)])
    with pytest.raises(DeclarationError, match=r"input 'words' is of type array<string>"):
        graph.export("mlflow", tmp_path / "m")
    assert not list(tmp_path.iterdir())
