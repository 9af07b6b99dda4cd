"""Zip archives with one CSV file."""

from __future__ import annotations

import zipfile

import pytest

from penstock.errors import DataError, StorageError
from penstock.tables import read, resolve


@pytest.fixture
def zipped(tmp_path):
    def make(**files: str):
        with zipfile.ZipFile(tmp_path / "hire.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name.replace("MAC_", "__MACOSX/").replace("_csv", ".csv"), text)
        return tmp_path / "hire.csv.zip"

    return make


def test_the_one_csv_file_is_taken_out_once(zipped, tmp_path):
    zipped(hire_csv="a\n1\n")
    source = resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache")
    assert read(source).to_pylist() == [{"a": 1}]
    before = (tmp_path / "cache").stat().st_mtime_ns
    assert resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache") == source
    assert (tmp_path / "cache").stat().st_mtime_ns == before
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_what_the_mac_adds_is_not_a_table(zipped, tmp_path):
    zipped(hire_csv="a\n1\n", MAC_hire_csv="junk")
    assert read(resolve("hire.csv.zip", root=tmp_path, cache=tmp_path)).num_rows == 1


def test_a_half_written_file_in_the_cache_is_replaced(zipped, tmp_path):
    zipped(hire_csv="a\n1\n2\n")
    (path,) = resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache").uris
    with open(path, "w") as file:
        file.write("a\n")
    assert read(resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache")).num_rows == 2


def test_another_content_is_another_file(zipped, tmp_path):
    zipped(hire_csv="a\n1\n")
    first = resolve("hire.csv.zip", root=tmp_path, cache=tmp_path)
    zipped(hire_csv="a\n2\n")
    second = resolve("hire.csv.zip", root=tmp_path, cache=tmp_path)
    assert first.digest != second.digest
    assert read(first).to_pylist() == [{"a": 1}]


def test_several_tables_in_one_archive_are_refused(zipped, tmp_path):
    zipped(one_csv="a\n1\n", two_csv="a\n1\n")
    with pytest.raises(DataError, match=r"exactly one CSV file; it holds one\.csv, two\.csv"):
        resolve("hire.csv.zip", root=tmp_path, cache=tmp_path)


def test_a_cut_off_archive_is_named(zipped, tmp_path):
    path = zipped(hire_csv="a\n" + "1\n" * 1000)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cannot unzip .*hire\.csv\.zip"):
        resolve("hire.csv.zip", root=tmp_path, cache=tmp_path)


def test_a_damaged_archive_leaves_nothing_behind(zipped, tmp_path):
    path = zipped(hire_csv="a\n" + "".join(f"{at * 7919 % 1000}\n" for at in range(1000)))
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="cannot unzip"):
        resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_storage_error(zipped, tmp_path):
    zipped(hire_csv="a\n1\n")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError, match="cannot unzip into"):
        resolve("hire.csv.zip", root=tmp_path, cache=tmp_path / "cache")
