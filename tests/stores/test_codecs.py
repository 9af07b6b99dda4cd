"""How values become bytes and come back: every kind, and what each refuses."""

from __future__ import annotations

import datetime
import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.ports import Codec
from penstock.errors import CorruptArtifactError, DataError, StorageError
from penstock.stores import CODECS, LocalArtifactStore
from penstock.stores.documents import to_plain
from penstock.testing.processes import in_processes


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def codec_of(kind: str) -> Codec:
    return next(codec for codec in CODECS if codec.kind == kind)


def save(value: Any, store: LocalArtifactStore) -> Artifact:
    return next(codec for codec in CODECS if codec.accepts(value)).save(value, store)


def load(artifact: Artifact, store: LocalArtifactStore) -> Any:
    return codec_of(artifact.kind).load(artifact, store)


NEW_YEAR = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TABLE = pa.table(
    {
        "km": pa.array([1.5, None, math.inf, -0.0]),
        "n": pa.array([1, 2, None, 4], pa.int32()),
        "name": pa.array(["a", None, "", "Zürich"]),
        "raw": pa.array([b"", b"\x00", None, b"x"]),
        "flag": pa.array([True, None, False, True]),
        "day": pa.array([datetime.date(2026, 1, 1), None, None, datetime.date(1, 1, 1)]),
        "at": pa.array(
            [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None, None, None], pa.timestamp("us", "UTC")
        ),
        "list": pa.array([[1, None], [], None, [3]]),
        "pair": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": None}, {"x": 2, "y": "b"}]),
        "nothing": pa.nulls(4),
    }
)


@dataclass(frozen=True)
class Report:
    name: str
    errors: tuple[float, ...]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (TABLE, "table"),
        (TABLE.slice(0, 0), "table"),
        (pa.table({}), "table"),
        ("Zürich\n", "text"),
        ("", "text"),
        (b"\x00\xff", "bytes"),
        ({"b": [1, 2.5, None, True], "a": {"deep": "x"}}, "json"),
        ([], "json"),
        (None, "json"),
        (0.1 + 0.2, "json"),
        (2**63 - 1, "json"),
    ],
)
def test_a_value_comes_back_equal(store: LocalArtifactStore, value: Any, kind: str):
    artifact = save(value, store)
    assert artifact.kind == kind
    assert store.has(artifact.digest)
    back = load(artifact, store)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.array([], "f4"), np.array(7), np.array(["a", "é"])])
def test_an_array_comes_back_equal(store: LocalArtifactStore, array: Any):
    artifact = save(array, store)
    assert artifact.kind == "array"
    np.testing.assert_array_equal(load(artifact, store), array)
    assert load(artifact, store).dtype == array.dtype


def test_an_array_of_objects_is_nobodys():
    assert not any(codec.accepts(np.array([object()])) for codec in CODECS)


# --- tables


def test_a_table_says_what_is_in_it(store: LocalArtifactStore):
    artifact = save(pa.table({"km": [1.5, math.nan], "name": ["x" * 100, None]}), store)
    assert artifact.schema == (("km", "float64"), ("name", "string"))
    assert artifact.facts["rows"] == 2
    assert artifact.facts["columns"] == 2
    assert artifact.facts["size_bytes"] == store.path(artifact.digest).stat().st_size
    assert artifact.facts["preview"] == [{"km": 1.5, "name": "x" * 59 + "…"}, {"km": "nan", "name": None}]


def test_a_loaded_table_is_a_memory_map_and_costs_no_memory(store: LocalArtifactStore):
    artifact = save(pa.table({"x": np.arange(1_000_000)}), store)
    before = pa.total_allocated_bytes()
    table = load(artifact, store)
    assert pa.total_allocated_bytes() - before < 100_000
    assert table["x"][999_999].as_py() == 999_999


def test_chunks_and_slices_do_not_change_the_digest(store: LocalArtifactStore):
    whole = save(TABLE, store).digest
    assert save(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]), store).digest == whole
    assert save(pa.concat_tables([TABLE, TABLE]).slice(4), store).digest == whole
    assert save(pa.concat_tables([TABLE.slice(2), TABLE, TABLE]).slice(2, 4), store).digest == whole


def test_what_lies_under_a_null_does_not_change_the_digest(store: LocalArtifactStore):
    valid = pa.py_buffer(bytes([0b101]))
    garbage = pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(np.array([1, 99, 3]))])
    texts = pa.Array.from_buffers(
        pa.string(), 3, [valid, pa.py_buffer(np.array([0, 1, 3, 4], "i4")), pa.py_buffer(b"aXXb")]
    )
    dirty, clean = pa.table({"n": garbage, "t": texts}), pa.table({"n": [1, None, 3], "t": ["a", None, "b"]})
    assert dirty == clean
    assert save(dirty, store).digest == save(clean, store).digest


def test_frames_that_speak_arrow_are_tables(store: LocalArtifactStore):
    relation = duckdb.connect().sql("SELECT 1 AS n")
    assert load(save(relation, store), store) == pa.table({"n": pa.array([1], pa.int32())})
    batch = pa.record_batch({"n": [1]})
    assert load(save(batch, store), store) == pa.table({"n": [1]})
    rows = [{"n": 1, "name": "a"}, {"n": 2}]
    assert load(codec_of("table").save(rows, store), store) == pa.table({"n": [1, 2], "name": ["a", None]})


def test_types_that_we_have_no_word_for_pass_through_unchanged(store: LocalArtifactStore):
    table = pa.table({"wait": pa.array([5, None], pa.duration("s")), "WAIT": pa.array([1, 2], pa.int8())})
    artifact = save(table, store)
    assert artifact.schema == (("wait", "duration[s]"), ("WAIT", "int64"))
    assert load(artifact, store) == table


def save_on_a_full_disk(store: LocalArtifactStore) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        save(pa.table({"x": np.arange(1_000_000)}), store)
    except StorageError as error:
        return str(error)
    return "stored"


def test_a_full_disk_under_a_table_is_explained_and_nothing_is_left(store: LocalArtifactStore):
    (message,) = in_processes(save_on_a_full_disk, [(store,)])
    assert "Free some space" in message
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_cut_off_table_is_an_error_and_not_a_crash(store: LocalArtifactStore):
    artifact = save(pa.table({"x": np.arange(100_000)}), store)
    path = store.path(artifact.digest)
    path.chmod(0o644)
    os.truncate(path, 1000)
    with pytest.raises(CorruptArtifactError, match="cut off"):
        load(artifact, store)


# --- JSON

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(value=json_values)
def test_json_keeps_every_value_exactly(tmp_path_factory: pytest.TempPathFactory, value: Any):
    store = LocalArtifactStore(tmp_path_factory.getbasetemp() / "json")
    back = codec_of("json").load(codec_of("json").save(value, store), store)
    assert repr(back) == repr(
        value
    )  # repr tells 1 from 1.0 and True, -0.0 from 0.0, and one order of keys from another


def test_values_of_numpy_records_and_frozen_maps_become_plain():
    value = {
        "a": np.float64(0.1),
        "b": np.int32(7),
        "c": np.True_,
        "d": (1, 2),
        "e": FrozenMap({"f": Report("r", (1.0,))}),
    }
    plain = to_plain(value)
    assert plain == {"a": 0.1, "b": 7, "c": True, "d": [1, 2], "e": {"f": {"name": "r", "errors": [1.0]}}}
    assert [type(plain[key]) for key in "abc"] == [float, int, bool]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"metrics": [0.1, math.nan]}, r"\$\.metrics\[1\] is nan"),
        ({"a": {"b": -math.inf}}, r"\$\.a\.b is -inf"),
        ({"a": {1: "x"}}, r"\$\.a has the key 1"),
        ([datetime.date(2026, 1, 1)], r"\$\[0\] is a datetime\.date"),
        ({"s": {1, 2}}, r"\$\.s is a builtins\.set"),
        ([2**64], r"\$\[0\] is 18446744073709551616"),
        ([np.float32("nan")], r"\$\[0\] is nan"),
    ],
)
def test_json_refuses_what_would_come_back_as_something_else(store: LocalArtifactStore, value: Any, message: str):
    with pytest.raises(DataError, match=message):
        codec_of("json").save(value, store)


# --- files and folders


def test_a_file_comes_back_as_a_read_only_path(store: LocalArtifactStore, tmp_path: Path):
    source = tmp_path / "plot.svg"
    source.write_text("<svg/>")
    artifact = save(source, store)
    source.unlink()
    assert artifact.kind == "file"
    assert artifact.facts == {"name": "plot.svg", "size_bytes": 6}
    assert load(artifact, store).read_text() == "<svg/>"


def folder(root: Path) -> Path:
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "b.bin").write_bytes(b"b" * 5)
    (root / "a.txt").write_text("a")
    return root


def test_a_folder_comes_back_with_its_files(store: LocalArtifactStore, tmp_path: Path):
    artifact = save(folder(tmp_path / "made"), store)
    assert artifact.kind == "folder"
    assert artifact.facts == {
        "name": "made", "files": 2, "size_bytes": 6, "preview": ["a.txt", "deep/er/b.bin"],
    }  # fmt: skip
    back = load(artifact, store)
    assert (back / "deep" / "er" / "b.bin").read_bytes() == b"b" * 5
    assert (back / "a.txt").read_text() == "a"


def test_a_folder_declared_as_a_file_is_a_folder(store: LocalArtifactStore, tmp_path: Path):
    artifact = codec_of("file").save(folder(tmp_path / "made"), store)
    assert artifact.kind == "folder"


def test_equal_folders_are_one_artifact_whatever_their_dates(store: LocalArtifactStore, tmp_path: Path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    os.utime(second / "a.txt", (1, 1))
    assert save(first, store).digest == save(second, store).digest
    (second / "a.txt").rename(second / "c.txt")
    assert save(first, store).digest != save(second, store).digest


def test_a_link_in_a_folder_is_refused_by_name(store: LocalArtifactStore, tmp_path: Path):
    made = folder(tmp_path / "made")
    (made / "link").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match=r"made/link is not a plain file"):
        save(made, store)


def test_a_file_that_is_not_there_is_an_error_that_names_it(store: LocalArtifactStore, tmp_path: Path):
    with pytest.raises(DataError, match=r"missing\.csv"):
        codec_of("file").save(tmp_path / "missing.csv", store)


@pytest.mark.parametrize("value", [object(), {1, 2}, datetime.date(2026, 1, 1), Path("nowhere")])
def test_other_values_are_nobodys(value: Any):
    assert [codec.kind for codec in CODECS if codec.accepts(value)] == []
