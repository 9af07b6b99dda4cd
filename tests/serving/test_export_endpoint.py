"""Models as downloads, in forms that others run; and the client that writes them where it is."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.testclient import TestClient

import penstock as ps
from penstock.cli import main
from penstock.errors import ConflictError, DeclarationError, RequestError, UnauthorizedError
from penstock.models import row_predictor
from penstock.serving.application import application

TOKEN = "an open secret"
ROWS = "ride,km,é\n" + "".join(f"{ride},{3 * ride + 1},{ride % 4}\n" for ride in range(50))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    root = tmp_path_factory.mktemp("project")
    (root / "rides.csv").write_text(ROWS)
    (root / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n')
    project = ps.open(root)
    project.sql(
        "CREATE MODEL distance OPTIONS(model_type = 'linear_reg', input_label_cols = ['km']) AS SELECT * FROM rides"
    )
    project.fit(ps.model("distance", type="linear_reg", label="km", features={"ride": ps.col("ride")}), "rides")
    return project


@pytest.fixture(scope="module")
def client(project: ps.Project) -> Iterator[TestClient]:
    with TestClient(application(project, row_predictor)) as client:
        yield client


@pytest.fixture(scope="module")
def address(project: ps.Project) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(project, row_predictor, token=TOKEN), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def remote(address: str) -> Iterator[ps.RemoteProject]:
    opened = ps.open(address, token=TOKEN)
    yield opened
    opened.server.close()


def predicted(query: str) -> list[tuple[float, ...]]:
    with duckdb.connect() as database:
        database.execute("CREATE TABLE rides AS SELECT 10 AS ride, 2 AS é")
        return database.execute(query).fetchall()


def test_a_query_is_downloaded_in_the_dialect_that_is_asked_for(client: TestClient) -> None:
    answer = client.post("/v1/models/distance:export", json={"format": "sql", "rows": "rides", "keep": ["é"]})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/sql")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''distance-1.sql"
    assert predicted(answer.text)[0][0] == pytest.approx(31.0)
    other = client.post("/v1/models/distance:export", json={"format": "sql", "rows": "rides", "dialect": "bigquery"})
    assert "`ride`" in other.text


def test_an_onnx_file_comes_with_how_its_predictions_compare(client: TestClient) -> None:
    runtime = pytest.importorskip("onnxruntime")
    answer = client.post("/v1/models/distance:export", json={"format": "onnx"})
    parity = json.loads(answer.headers["penstock-parity"])
    assert (parity["rows"], parity["edge_rows"] > 0, parity["largest"] < 1e-6) == (50, True, True)
    assert len(answer.content) == int(answer.headers["content-length"])
    inputs = {each.name for each in runtime.InferenceSession(answer.content).get_inputs()}
    assert {"ride", "é"} <= inputs
    few = client.post("/v1/models/distance:export", json={"format": "onnx", "rows": "SELECT * FROM rides LIMIT 7"})
    assert json.loads(few.headers["penstock-parity"])["rows"] == 7
    none = client.post("/v1/models/distance:export", json={"format": "onnx", "rows": None})
    assert json.loads(none.headers["penstock-parity"])["rows"] == 0


def test_the_folder_of_mlflow_comes_as_a_zip(client: TestClient) -> None:
    answer = client.post("/v1/models/distance/versions/2:export", json={"format": "mlflow"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].endswith("distance-2.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {"MLmodel", "requirements.txt", "penstock/model.json"} <= set(archive.namelist())


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("distance", {"format": "pickle"}, 422, "no format named 'pickle'"),
        ("distance", {"format": "sql", "dialect": "oracle"}, 422, "no dialect named 'oracle'"),
        ("distance", {"format": "mlflow", "dialect": "duckdb"}, 422, "no option named 'dialect'"),
        ("distance", {"format": "onnx", "rows": "/etc/passwd"}, 422, "no table named '/etc/passwd'"),
        ("distance", {"format": "sql", "path": "/tmp/x"}, 400, "path"),
        ("distances", {"format": "sql"}, 404, "no model named 'distances'"),
        ("distance/versions/9", {"format": "sql"}, 404, "9"),
    ],
)
def test_what_cannot_be_exported_says_why(client: TestClient, path: str, body: dict, status: int, message: str) -> None:
    answer = client.post(f"/v1/models/{path}:export", json=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_the_client_writes_what_the_server_made(remote: ps.RemoteProject, project: ps.Project, tmp_path: Path) -> None:
    written = remote.models["distance"].export("sql", tmp_path / "new" / "distance.sql", rows="rides")
    here = project.models["distance"].export("sql", tmp_path / "here.sql", rows="rides")
    assert written.read_bytes() == here.read_bytes()
    rides = [{"ride": 10, "é": 2}]
    for version, reference in ((2, "distance/2"), ("champion", "distance@champion")):
        folder = remote.models["distance"].export("mlflow", tmp_path / "model", version=version)
        again = ps.load_model(folder / "penstock")
        assert again.predict(rides) == project.predict(reference, rides)
    with pytest.raises(ConflictError, match="is there already and is something else"):
        remote.models["distance"].export("mlflow", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.sql", "model", "new"]


def test_rows_to_compare_on_that_are_here_are_sent(remote: ps.RemoteProject, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from penstock.models.exporting.onnx_model import parity_of

    rows = [{"ride": ride, "é": 1} for ride in range(8)]
    assert parity_of(remote.models["distance"].export("onnx", tmp_path / "a.onnx", rows=rows)).rows == 8
    assert parity_of(remote.models["distance"].export("onnx", tmp_path / "b.onnx")).rows == 50


def test_what_the_server_refuses_is_the_same_error_here_and_leaves_nothing(
    remote: ps.RemoteProject, address: str, tmp_path: Path
) -> None:
    with pytest.raises(ps.errors.UnknownNameError, match="no format named 'pickle'"):
        remote.models["distance"].export("pickle", tmp_path / "m")
    with pytest.raises(RequestError, match="quotes"):
        remote.models["distance"].export("sql", tmp_path / "m", quotes=True)
    with pytest.raises(DeclarationError, match="cannot be written as JSON"):
        remote.models["distance"].export("sql", tmp_path / "m", rows=object())
    stranger = ps.open(address, token="guessed")
    with pytest.raises(UnauthorizedError):
        stranger.models["distance"].export("sql", tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_from_a_server(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SERVER_TOKEN", TOKEN)
    target = tmp_path / "distance.sql"
    options = ["--format", "sql", "--out", str(target), "-o", "rows=rides"]
    done = CliRunner().invoke(main, ["-C", address, "export", "distance@champion", *options])
    assert (done.exit_code, done.output) == (0, f"wrote {target}\n")
    assert predicted(target.read_text())[0][0] == pytest.approx(31.0)
