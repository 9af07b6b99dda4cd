"""Delta tables: a folder with a log, read as the version that is asked for, and no further than a query needs."""

from __future__ import annotations

import base64
import datetime
import json
import struct
import subprocess
import sys
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from penstock.core.artifact import Source
from penstock.errors import DataError, DeclarationError
from penstock.tables import query, read, resolve, source_schema

DAY = datetime.date(2024, 5, 5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A table of two versions: the second one has one more column, and one more partition."""
    first = pa.table({"n": pa.array([1, 2, 3], pa.int32()), "city": ["a b", "é/%", None], "day": [DAY] * 3})
    deltalake.write_deltalake(tmp_path / "hires", first, partition_by=["city", "day"])
    second = pa.table({"n": pa.array([4], pa.int32()), "city": ["z"], "day": [DAY], "km": [1.5]})
    deltalake.write_deltalake(tmp_path / "hires", second, mode="append", schema_mode="merge")
    return tmp_path


def hires(root: Path, as_of: object = None) -> Source:
    return resolve("hires", root=root, declared={"hires": {"path": "hires", "as_of": as_of}}, cache=root / "cache")


def test_a_delta_table_is_its_newest_version_in_our_types(root: Path) -> None:
    rows = read(hires(root))
    assert {field.name: field.type for field in source_schema(hires(root))} == {
        "n": "int64", "city": "string", "day": "date", "km": "float64",
    }  # fmt: skip
    assert sorted(rows.to_pylist(), key=lambda row: row["n"]) == [
        {"n": 1, "city": "a b", "day": DAY, "km": None},
        {"n": 2, "city": "é/%", "day": DAY, "km": None},
        {"n": 3, "city": None, "day": DAY, "km": None},
        {"n": 4, "city": "z", "day": DAY, "km": 1.5},
    ]


def test_values_of_partitions_that_a_path_spells_in_a_way_of_its_own_are_those_of_the_log(tmp_path: Path) -> None:
    instant = datetime.datetime(2024, 5, 5, 12, 30, tzinfo=datetime.UTC)
    kinds = {"yes": [True, False, None], "x": [0.1, -0.0, 3.5], "at": [instant] * 3, "raw": [b"a", b"%", None]}
    rows = pa.table({"n": [1, 2, 3], **kinds})
    deltalake.write_deltalake(tmp_path / "t", rows, partition_by=["yes", "x", "at"])
    read_back = read(resolve("t", root=tmp_path, cache=tmp_path / "cache"))
    assert sorted(read_back.to_pylist(), key=lambda row: row["n"]) == rows.to_pylist()


def test_folders_around_a_table_name_no_columns_of_it(tmp_path: Path) -> None:
    rows = pa.table({"n": [1, 2], "city": ["a", "b"]})
    deltalake.write_deltalake(tmp_path / "n=7" / "t", rows, partition_by=["city"])
    source = resolve("n=7/t", root=tmp_path, cache=tmp_path / "cache")
    assert sorted(read(source)["n"].to_pylist()) == [1, 2]


def test_a_version_is_asked_for_by_its_number_or_by_an_instant(root: Path) -> None:
    log = root / "hires" / "_delta_log"
    written = json.loads((log / f"{0:020}.json").read_text().splitlines()[0])["commitInfo"]["timestamp"]
    instant = datetime.datetime.fromtimestamp(written / 1000, datetime.UTC)
    for as_of in (0, instant, instant.isoformat(), instant.replace(tzinfo=None)):
        assert sorted(read(hires(root, as_of))["n"].to_pylist()) == [1, 2, 3], as_of
    assert read(hires(root, "2900-01-01")).num_rows == 4


def test_a_version_that_is_not_there_says_which_are(root: Path) -> None:
    with pytest.raises(DataError, match=r"'hires' has no version 7; the newest is 1"):
        hires(root, 7)
    with pytest.raises(DataError, match=r"'hires' was not there at 2001-01-01 .*; its log begins at 20"):
        hires(root, "2001-01-01")
    with pytest.raises(DeclarationError, match=r"as_of = 'yesterday'; it is the number of a version, or an instant"):
        hires(root, "yesterday")


def test_only_a_delta_table_knows_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="'t' is no Delta table, which alone knows what it was at 3"):
        resolve("t", root=tmp_path, declared={"t": {"path": "a.csv", "as_of": 3}})


def test_the_digest_is_that_of_the_files_and_of_no_commit_without_any(root: Path) -> None:
    table = deltalake.DeltaTable(root / "hires")
    before, first = hires(root).digest, hires(root, 0).digest
    assert hires(root, 1).digest == before != first
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 9 days"})
    assert hires(root).digest == before
    table.delete("n = 4")
    assert hires(root).digest != before
    assert hires(root, 1).digest == before


def test_a_folder_that_moved_holds_the_same_rows(root: Path) -> None:
    before = hires(root).digest
    (root / "there").mkdir()
    (root / "hires").rename(root / "there" / "hires")
    moved = resolve("hires", root=root / "there", cache=root / "cache")
    assert moved.digest == before
    assert read(moved).num_rows == 4


def test_a_condition_on_a_partition_column_leaves_the_other_partitions_unread(root: Path) -> None:
    source = hires(root)
    for path in Path(root / "hires").glob("city=z/**/*.parquet"):  # a footer that can be read, and rows that cannot
        content = path.read_bytes()
        path.write_bytes(b"\0" * 40 + content[40:])
    assert query("SELECT n FROM t WHERE city = 'a b'", t=source).to_pylist() == [{"n": 1}]
    with pytest.raises(DataError):
        query("SELECT n FROM t WHERE city = 'z'", t=source)


def test_rows_that_a_deletion_vector_deletes_are_gone(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path / "t", pa.table({"n": list(range(100)), "p": ["x"] * 50 + ["y"] * 50}))
    before = resolve("t", root=tmp_path, cache=tmp_path / "cache")
    _delete_in_place(tmp_path / "t", [0, 7, 99])
    source = resolve("t", root=tmp_path, cache=tmp_path / "cache")
    assert source.digest != before.digest
    assert read(source)["n"].to_pylist() == [n for n in range(100) if n not in (0, 7, 99)]
    assert query("SELECT count(*) AS n FROM t WHERE p = 'x'", t=source).to_pylist() == [{"n": 48}]


def test_a_table_whose_protocol_is_not_read_is_refused(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path / "t", pa.table({"n": [1]}))
    options = {"delta.columnMapping.mode": "name"}
    _commit(tmp_path / "t", {"metaData": {**_action(tmp_path / "t", "metaData"), "configuration": options}})
    with pytest.raises(DataError, match="'t' needs columnMapping of its readers, which penstock does not read"):
        resolve("t", root=tmp_path)


def test_a_folder_whose_log_is_empty_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot read the Delta table 't'"):
        resolve("t", root=tmp_path)


def test_only_a_delta_table_loads_delta_rs() -> None:
    text = "import sys, penstock.tables; sys.exit('deltalake' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)


def _action(table: Path, kind: str) -> dict[str, object]:
    """Return the first action of a kind in the first commit of a table."""
    lines = map(json.loads, (table / "_delta_log" / f"{0:020}.json").read_text().splitlines())
    return next(line[kind] for line in lines if kind in line)


def _commit(table: Path, *actions: dict[str, object]) -> None:
    path = table / "_delta_log" / f"{1:020}.json"
    path.write_text("\n".join(json.dumps(action) for action in ({"commitInfo": {"timestamp": 1}}, *actions)))


def _delete_in_place(table: Path, rows: list[int]) -> None:
    """Commit what Spark does for a DELETE: the one file stays, a bitmap in the log says which of its rows are gone."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    content = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    encoded = base64.b85encode(content + b"\0" * (-len(content) % 4)).decode().translate(_Z85)
    vector = {
        "storageType": "i", "pathOrInlineDv": encoded, "sizeInBytes": len(content), "cardinality": len(rows),
    }  # fmt: skip
    added = _action(table, "add")
    features = ["deletionVectors"]
    _commit(
        table,
        {
            "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": features,
                "writerFeatures": features,
            }
        },
        {"remove": {"path": added["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": {**added, "deletionVector": vector}},
    )


_Z85 = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
)
