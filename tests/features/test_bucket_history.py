"""A history in a bucket of S3 is a history: the same answers, whoever writes beside, and what is wrong is said."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from s3_servers import KEY, S3, SECRET

import penstock as ps
from penstock.errors import DataError, DeclarationError, StorageError
from penstock.features import Histories

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def rides(**columns: str) -> ps.FeatureSet:
    return ps.feature_set(
        "rides",
        entities={"driver": "int64"},
        timestamp="at",
        created="made",
        features=list(columns or ["fare"]),
        columns=columns or {"fare": "float64"},
    )


def rows(*fares: float, at: dt.datetime = NOON, made: dt.datetime | None = None, **more: Any) -> pa.Table:
    times = pa.array([at] * len(fares), pa.timestamp("us", "UTC"))
    known = pa.array([made or at] * len(fares), pa.timestamp("us", "UTC"))
    return pa.table({"driver": list(range(len(fares))), "at": times, "made": known, "fare": list(fares), **more})


def fares(project: ps.Project, at: dt.datetime, drivers: int = 2, **how: Any) -> list[float | None]:
    asked = pa.table(
        {"driver": list(range(drivers)), "event_timestamp": pa.array([at] * drivers, pa.timestamp("us", "UTC"))}
    )
    return project.features.get_historical_features(asked, ["rides:fare"], **how).column("fare").to_pylist()


STEPS = """
from typing import Any
import penstock as ps

@ps.step
def given(source: ps.Source) -> ps.Table:
    return ps.read(source)

@ps.pipeline
def filling() -> Any:
    return ps.ingest("rides", given("rides.json"))

@ps.pipeline
def joining() -> Any:
    return ps.historical_features(given("asked.json"), ["rides:fare"])
"""


@pytest.fixture
def bucket(s3: S3, tmp_path: Path) -> ps.Project:
    s3.configure(tmp_path)
    project = ps.open(tmp_path)
    project.features.apply(rides())
    return project


@pytest.mark.server
def test_rows_are_in_the_bucket_alone_and_every_host_that_reads_it_has_the_same_answers(
    bucket: ps.Project, s3: S3, tmp_path: Path
) -> None:
    assert bucket.features.ingest("rides", rows(1.0, 2.0), batch="one").rows == 2
    assert bucket.features.ingest("rides", rows(1.0, 2.0), batch="one").repeated
    bucket.features.ingest("rides", rows(1.5, made=NOON + HOUR))  # a correction
    bucket.features.ingest("rides", rows(9.0, 8.0, at=NOON - HOUR))  # late
    assert fares(bucket, NOON) == [1.5, 2.0]
    shutil.rmtree(tmp_path / ".penstock" / "index")
    for project in (bucket, ps.open(tmp_path)):
        assert fares(project, NOON) == [1.5, 2.0]
        assert fares(project, NOON - HOUR) == [9.0, 8.0]
        assert fares(project, NOON, as_of=0) == [1.0, 2.0]
        assert project.features.get_online_features(["rides:fare"], {"driver": [0, 1]})["fare"].to_pylist() == [
            1.5,
            2.0,
        ]
        with pytest.raises(DataError, match="no version"):
            fares(project, NOON, as_of=99)
    assert not (tmp_path / ".penstock" / "history").exists()
    files = s3.files(bucket.features.places.history.address)
    assert sum(path.endswith(".parquet") for path in files) == 3


@pytest.mark.server
def test_a_version_with_other_rows_has_a_history_of_its_own_in_the_bucket(bucket: ps.Project) -> None:
    bucket.features.ingest("rides", rows(1.0, 2.0))
    bucket.features.apply(rides(fare="int64"))
    times = pa.array([NOON], pa.timestamp("us", "UTC"))
    bucket.features.ingest("rides", pa.table({"driver": [1], "at": times, "made": times, "fare": [7]}))
    assert fares(bucket, NOON) == [None, 7]
    asked = pa.table({"driver": [1], "event_timestamp": times})
    assert bucket.features.get_historical_features(asked, ["rides@1:fare"])["fare"].to_pylist() == [2.0]


@pytest.mark.server
def test_steps_of_a_pipeline_write_and_read_the_bucket_and_no_record_has_the_credentials(
    bucket: ps.Project, tmp_path: Path
) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "rides.json").write_text(
        '{"driver": 0, "at": "2026-03-01T12:00:00Z", "made": "2026-03-01T12:00:00Z", "fare": 4.5}'
    )
    (tmp_path / "asked.json").write_text('{"driver": 0, "event_timestamp": "2026-03-01T13:00:00Z"}')
    (tmp_path / "penstock.toml").write_text(
        '[project]\nmodules = ["steps"]\n' + (tmp_path / "penstock.toml").read_text()
    )
    project = ps.open(tmp_path)
    assert project.run("filling").result("ingest")["rows"] == 1
    assert project.run("joining").result("historical_features")["fare"].to_pylist() == [4.5]
    assert project.run("joining").steps["historical_features"].state == "up_to_date"
    bucket.features.ingest("rides", rows(2.5))
    assert project.run("joining").result("historical_features")["fare"].to_pylist() == [2.5]
    state = [path for path in (tmp_path / ".penstock").rglob("*") if path.is_file()]
    assert len(state) > 10
    assert not [path for path in state if SECRET.encode() in path.read_bytes() or KEY.encode() in path.read_bytes()]


@pytest.mark.server
def test_a_commit_whose_answer_was_lost_is_not_made_twice(s3: S3, tmp_path: Path) -> None:
    s3.configure(tmp_path, s3.address("lost-answers"))
    project = ps.open(tmp_path)
    project.features.apply(rides())
    for hour in range(3):
        done = project.features.ingest("rides", rows(1.0 + hour, 2.0, at=NOON + hour * HOUR))
        assert (done.rows, done.version, done.repeated) == (2, hour, False)
    assert project.features["rides"].statistics.rows == 6
    assert fares(project, NOON + 9 * HOUR) == [3.0, 2.0]


@pytest.mark.server
def test_dead_letters_and_compaction_and_retention_work_there(bucket: ps.Project, s3: S3) -> None:
    for hour in range(4):
        bucket.features.ingest("rides", rows(1.0 + hour, 2.0 + hour, at=NOON + hour * HOUR))
    bad = rows(3.0).set_column(0, "driver", pa.array([None], pa.int64()))
    assert bucket.features.ingest("rides", bad, on_bad="dead_letter").dead_letters == 1
    assert bucket.features.dead_letters.read("rides")["reason"].to_pylist() == ["'driver' is NULL"]
    before = [fares(bucket, NOON + hour * HOUR) for hour in range(-1, 5)]
    assert bucket.features.compact("rides") == 3
    assert [fares(bucket, NOON + hour * HOUR) for hour in range(-1, 5)] == before
    assert bucket.features.expire("rides", before=NOON + 2 * HOUR) == 4
    assert fares(bucket, NOON + HOUR) == [None, None]
    assert fares(bucket, NOON + 2 * HOUR) == [3.0, 4.0]
    assert bucket.features.dead_letters.clear("rides") == 1


@pytest.mark.server
@pytest.mark.parametrize(
    ("address", "credentials", "told"),
    [
        ({"bucket": "feature"}, {}, "there is no bucket 'feature' at http://127.0.0.1:"),
        ({}, {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "hush-but-wrong"}, "refuses: SignatureDoesNotMatch"),
        ({}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": SECRET}, "refuses: InvalidAccessKeyId"),
    ],
)
def test_a_wrong_bucket_or_key_is_an_error_that_says_which_and_what_to_do(
    s3: S3, tmp_path: Path, address: dict[str, str], credentials: dict[str, str], told: str
) -> None:
    s3.configure(tmp_path, s3.address(**address), **credentials)
    project = ps.open(tmp_path)
    for call in (
        lambda: project.features.apply(rides()),
        lambda: fares(project, NOON),
        lambda: project.features.ingest("rides", rows(1.0)),
        lambda: project.features.compact("rides"),
    ):
        with pytest.raises(StorageError, match="the history 's3://") as caught:
            call()
        assert told in str(caught.value)
        assert "[stores]" in str(caught.value) or "[secrets]" in str(caught.value)
        assert "hush" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


def test_a_server_that_is_away_and_credentials_that_are_nowhere_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at port 1 of this host."""
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    place = Histories("s3://features/a?endpoint=http://127.0.0.1:1&region=us-east-1")
    with pytest.raises(StorageError, match="no credentials for the bucket 'features'"):
        place.open("rides").version()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    with pytest.raises(DeclarationError, match="'AWS_SECRET_ACCESS_KEY' is not there"):
        place.open("rides").version()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(StorageError, match=r"http://127.0.0.1:1 does not answer: .*refused"):
        place.open("rides").version()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://key:hush@bucket/a", "credentials"),
        ("s3://bucket/a?region=x&secret_key=hush", "secret_key behind"),
        ("s3://bucket/a?endpoint=127.0.0.1:9000", "begin it with https://"),
        ("s3://bucket/a b", "'s3://bucket/a b' is none"),
        ("s3://b", "lower case letters"),
        ("gs://bucket/a", "neither a folder's path"),
    ],
)
def test_an_address_that_no_bucket_can_have_is_refused_without_saying_a_secret(
    tmp_path: Path, address: str, told: str
) -> None:
    (tmp_path / "penstock.toml").write_text(f'[stores]\nhistory = "{address}"\n')
    with pytest.raises(DeclarationError) as caught:
        ps.open(tmp_path).features  # noqa: B018
    assert told in str(caught.value)
    assert "hush" not in str(caught.value)
