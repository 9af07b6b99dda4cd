"""Optuna's tables beside ours, in one database."""

from __future__ import annotations

import re
import threading

import optuna
import pytest

from penstock.core.run import Run
from penstock.errors import StorageError
from penstock.stores import open_metadata
from penstock.stores.migrations import MIGRATIONS
from penstock.stores.studies import open_studies


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/metadata.db"


def test_no_table_of_ours_has_the_name_of_one_of_optunas(url):
    ours = {name for _, texts in MIGRATIONS for text in texts for name in re.findall(r"CREATE TABLE (\w+)", text)}
    storage = open_studies(url, optuna).optuna
    theirs = set(storage.engine.dialect.get_table_names(storage.engine.connect()))
    assert {"studies", "trials", "alembic_version"} <= theirs
    assert not theirs & (ours | {"schema_version"})


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_both_sides_write_at_once_and_neither_loses_anything(url):
    records, storage = open_metadata(url), open_studies(url, optuna).optuna
    study = optuna.create_study(storage=storage, study_name="s")
    failed: list[Exception] = []

    def write_runs():
        try:
            for number in range(150):
                records.write(Run(id=f"r{number}", pipeline="p", state="running"))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write_runs) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(8):
        study.tell(study.ask(), float(number))
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(records.find(Run)) == 150
    assert [
        trial.value for trial in optuna.load_study(study_name="s", storage=open_studies(url, optuna).optuna).trials
    ] == [float(number) for number in range(8)]


def test_processes_that_open_an_empty_database_at_once_all_can(url):
    opened: list[object] = []
    threads = [threading.Thread(target=lambda: opened.append(open_studies(url, optuna))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4


def test_records_in_memory_have_trials_in_memory():
    assert isinstance(open_studies("sqlite://", optuna).optuna, optuna.storages.InMemoryStorage)


def test_a_database_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "metadata.db").write_text("this is no database, and it is long enough to be seen as none " * 40)
    with pytest.raises(StorageError, match="the trials of a search cannot be kept"):
        open_studies(f"sqlite:///{tmp_path}/metadata.db", optuna)
