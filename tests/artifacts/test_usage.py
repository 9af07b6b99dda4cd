"""How much room what takes."""

from __future__ import annotations

from pathlib import Path

import penstock as ps
from penstock.artifacts import Share


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("??/*"))


def test_every_byte_of_the_store_is_accounted_for(project: ps.Project) -> None:
    run = project.run("making", n=1000)
    orphan = project.artifacts.put(b"an orphan")
    found = project.repository.usage()
    store = project.config.state / "artifacts" / "cas"
    assert found.store.size_bytes == _on_disk(store)
    assert found.project.size_bytes == _on_disk(store) - len(b"an orphan")
    assert sum(share.size_bytes for share in found.by_kind.values()) == found.project.size_bytes
    assert sum(share.size_bytes for share in found.by_step.values()) == found.project.size_bytes
    assert found.by_kind["table"].count == 3
    assert next(iter(found.by_kind)) == "table"
    assert found.by_name == {"prices": Share(1, project.artifacts.path(run.artifact("prices").digest).stat().st_size)}
    assert found.by_step["making/say"] == Share(1, len(run.result("say")))
    assert (found.garbage, found.recent) == (Share(0, 0), Share(1, len(b"an orphan")))
    assert project.artifacts.has(orphan)


def test_items_of_a_list_count_once_with_their_list(project: ps.Project) -> None:
    @ps.pipeline
    def twice() -> None:
        same(2)

    project.run(twice)
    found = project.repository.usage()
    assert found.by_kind["list"].size_bytes == found.store.size_bytes
    assert found.store.count == 2  # the list, and the one table that is in it twice


@ps.step
def same(n: int) -> list[ps.Table]:
    import pyarrow as pa

    return [pa.table({"x": [1]})] * n


def test_logs_and_records_have_their_size(project: ps.Project) -> None:
    project.run("making")
    found = project.repository.usage()
    database = project.config.state / "metadata.db"
    assert found.metadata_bytes >= database.stat().st_size > 0
    assert found.scratch_bytes == 0


def test_what_other_projects_hold_too_is_shared(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "penstock.toml").write_text(
            '[stores]\nartifacts = "../shared"\n[engine]\ndefault = "inline"\n'
        )
        ps.open(tmp_path / name).run(_sharing)
    found = ps.open(tmp_path / "one").repository.usage()
    assert found.shared.size_bytes == found.project.size_bytes == found.store.size_bytes


@ps.pipeline
def _sharing() -> None:
    same(2)
