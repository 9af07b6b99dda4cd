"""Lists and mappings of stored values: the same items are the same bytes, and one item is had without the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.artifact import Artifact
from penstock.errors import CorruptArtifactError, UnknownNameError
from penstock.stores import LocalArtifactStore
from penstock.values import (
    closure,
    is_whole,
    item,
    items,
    list_artifact,
    mapping_artifact,
    named_items,
)


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path)


def text(content: str, store: LocalArtifactStore, **fields: str) -> Artifact:
    digest = store.put(content.encode())
    facts = {"size_bytes": len(content), "preview": content}
    return Artifact(digest=digest, kind="text", uri=fields.pop("uri", "file:///x"), facts=facts, **fields)


def test_the_items_come_back_in_order_with_what_is_needed_to_open_them(store: LocalArtifactStore):
    made = list_artifact([text("a", store), text("bb", store), text("a", store)], store)
    assert (made.kind, made.facts) == ("list", {"items": 3, "of": ["text"], "size_bytes": 4})
    found = items(made, store)
    assert [store.path(each.digest).read_text() for each in found] == ["a", "bb", "a"]
    assert [(each.kind, each.facts) for each in found[:2]] == [("text", {"size_bytes": 1}), ("text", {"size_bytes": 2})]
    assert found[1].uri == store.path(found[1].digest).as_uri()
    assert item(made, 1, store) == item(made, -2, store) == found[1]


def test_a_mapping_keeps_its_names_and_their_order(store: LocalArtifactStore):
    made = mapping_artifact({"z": text("a", store), "b": text("bb", store)}, store)
    assert list(named_items(made, store)) == ["z", "b"]
    assert store.path(item(made, "b", store).digest).read_text() == "bb"


def test_equal_items_are_one_list_whoever_made_them_and_another_order_is_another_list(store: LocalArtifactStore):
    one = list_artifact([text("a", store, made_by="r1/s", uri="file:///1"), text("b", store)], store)
    same = list_artifact([text("a", store, made_by="r2/t", uri="file:///2"), text("b", store)], store)
    assert one.digest == same.digest
    assert list_artifact([text("b", store), text("a", store)], store).digest != one.digest
    assert list_artifact([], store).digest != mapping_artifact({}, store).digest


def test_the_closure_of_a_list_of_lists_is_every_blob_of_it(store: LocalArtifactStore):
    deep = list_artifact([text("a", store), text("b", store)], store)
    whole = mapping_artifact({"deep": deep, "c": text("c", store)}, store)
    expected = {whole.digest, deep.digest, *(store.put(each) for each in (b"a", b"b", b"c"))}
    assert set(closure(whole, store)) == expected
    assert is_whole(whole, store)


def test_a_list_without_one_of_its_items_is_not_whole(store: LocalArtifactStore):
    deep = list_artifact([text("a", store)], store)
    whole = list_artifact([deep, text("b", store)], store)
    store.path(store.put(b"a")).unlink()
    assert not is_whole(whole, store)
    assert is_whole(text("b", store), store)
    with pytest.raises(CorruptArtifactError):
        items(deep, store)
    store.path(deep.digest).unlink()
    assert set(closure(whole, store)) == {whole.digest, deep.digest, store.put(b"b")}


def test_an_item_that_is_not_there_is_an_error_that_says_how_many_are(store: LocalArtifactStore):
    made = list_artifact([text("a", store)], store)
    with pytest.raises(UnknownNameError, match="no item named '1' in a list of 1 items"):
        item(made, 1, store)


def test_bytes_that_are_no_list_are_an_error(store: LocalArtifactStore):
    with pytest.raises(CorruptArtifactError, match="recorded as a list"):
        items(Artifact(digest=store.put(b"{}"), kind="list", uri=""), store)
