"""The registry: versions, aliases, their history, and what happens when two processes register at once."""

from __future__ import annotations

import pytest

from penstock.core.artifact import Artifact
from penstock.errors import ConflictError, DeclarationError, UnknownNameError
from penstock.models import (
    alias_history,
    aliases,
    model_names,
    promote,
    register,
    resolve_version,
    rollback,
    set_alias,
    versions,
)
from penstock.stores import SqlMetadata


@pytest.fixture
def metadata():
    store = SqlMetadata("sqlite://")
    yield store
    store.close()


def artifact(letter: str) -> Artifact:
    return Artifact(digest=letter * 64, kind="model", uri="")


def test_versions_count_from_one(metadata):
    made = [register(metadata, "bicycle", artifact(letter)) for letter in "abc"]
    assert [version.version for version in made] == [1, 2, 3]
    assert versions(metadata, "bicycle") == made


def test_the_same_graph_again_is_the_same_version(metadata):
    first = register(metadata, "bicycle", artifact("a"), metrics={"mean_absolute_error": 3.5}, lineage={"run": "r1"})
    register(metadata, "bicycle", artifact("b"))
    assert register(metadata, "bicycle", artifact("a")) == first
    assert (first.metrics, first.lineage) == ({"mean_absolute_error": 3.5}, {"run": "r1"})


def test_models_do_not_share_numbers(metadata):
    register(metadata, "bicycle", artifact("a"))
    assert register(metadata, "flights", artifact("a")).version == 1
    assert model_names(metadata) == ["bicycle", "flights"]


class OtherProcess:
    """A store in which another process takes the next number just before each of the first few inserts."""

    def __init__(self, store, times):
        self.store, self.times = store, times

    def find(self, *arguments, **more):
        return self.store.find(*arguments, **more)

    def insert(self, record):
        if self.times:
            self.times -= 1
            self.store.insert(type(record)(**{**self._fields(record), **self._other(record)}))
        self.store.insert(record)

    def _fields(self, record):
        return {name: getattr(record, name) for name in record.__dataclass_fields__}

    def _other(self, record):
        return {"digest": str(self.times) * 64} if hasattr(record, "digest") else {"version": 1}


def test_a_number_that_another_process_took_is_not_given_twice(metadata):
    made = register(OtherProcess(metadata, 3), "bicycle", artifact("a"))
    assert made.version == 4
    assert len({version.digest for version in versions(metadata, "bicycle")}) == 4


def test_registering_gives_up_when_others_always_win(metadata):
    with pytest.raises(ConflictError, match="other registrations came first"):
        register(OtherProcess(metadata, 1000), "bicycle", artifact("a"))


def test_a_reference_names_a_version_an_alias_or_the_champion(metadata):
    for letter in "abc":
        register(metadata, "bicycle", artifact(letter))
    assert resolve_version(metadata, "bicycle").version == 3
    set_alias(metadata, "bicycle", "champion", 1)
    set_alias(metadata, "bicycle", "shadow", 2)
    assert resolve_version(metadata, "bicycle").version == 1
    assert resolve_version(metadata, "bicycle@shadow").version == 2
    assert resolve_version(metadata, "bicycle/3").version == 3
    assert aliases(metadata, "bicycle") == {"champion": 1, "shadow": 2}


def test_the_history_of_an_alias_keeps_every_change(metadata):
    for letter in "ab":
        register(metadata, "bicycle", artifact(letter))
    set_alias(metadata, "bicycle", "champion", 1, reason="first")
    set_alias(metadata, "bicycle", "champion", 2, reason="better")
    set_alias(metadata, "bicycle", "champion", 2, reason="said again")
    set_alias(metadata, "bicycle", "champion", 1, reason="rolled back")
    history = alias_history(metadata, "bicycle", "champion")
    assert [(change.sequence, change.version, change.reason) for change in history] == [
        (1, 1, "first"), (2, 2, "better"), (3, 1, "rolled back"),
    ]  # fmt: skip
    assert alias_history(metadata, "bicycle") == history


def test_an_alias_moved_by_another_process_meanwhile_is_moved_after_it(metadata):
    for letter in "ab":
        register(metadata, "bicycle", artifact(letter))
    made = set_alias(OtherProcess(metadata, 1), "bicycle", "champion", 2)
    assert (made.sequence, aliases(metadata, "bicycle")) == (2, {"champion": 2})


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("bycicle", "no model named 'bycicle'; there are: bicycle. Did you mean 'bicycle'"),
        ("bicycle@champoin", "no alias named 'champoin' in model 'bicycle'; there are: champion"),
        ("bicycle/7", "no version named '7' in model 'bicycle'; there are: 1"),
        ("bicycle/x", "no version named 'x'"),
    ],
)
def test_a_reference_to_nothing_lists_what_there_is(metadata, reference, message):
    register(metadata, "bicycle", artifact("a"))
    set_alias(metadata, "bicycle", "champion", 1)
    with pytest.raises(UnknownNameError, match=message):
        resolve_version(metadata, reference)


def test_an_alias_cannot_point_at_nothing(metadata):
    register(metadata, "bicycle", artifact("a"))
    with pytest.raises(UnknownNameError, match="no version named '2'"):
        set_alias(metadata, "bicycle", "champion", 2)


@pytest.mark.parametrize("alias", ["", "3", "a/b", "a@b"])
def test_an_alias_that_would_be_read_as_something_else_is_an_error(metadata, alias):
    register(metadata, "bicycle", artifact("a"))
    with pytest.raises(DeclarationError, match="alias"):
        set_alias(metadata, "bicycle", alias, 1)


def pointed(metadata, *numbers):
    for letter in "abcd":
        register(metadata, "bicycle", artifact(letter))
    for number in numbers:
        promote(metadata, "bicycle", number, by="alice")


@pytest.mark.parametrize(
    ("promoted", "back"), [((1, 2, 3), [2, 1]), ((1, 3, 4), [3, 1]), ((1, 2, 1, 4), [1]), ((2, 1), [2])]
)
def test_rolled_back_an_alias_goes_where_it_pointed_before_and_never_forth(metadata, promoted, back):
    pointed(metadata, *promoted)
    assert [rollback(metadata, "bicycle").version for _ in back] == back
    with pytest.raises(ConflictError, match=f"points at version {back[-1]}, and never pointed at another before"):
        rollback(metadata, "bicycle")
    assert [each.version for each in alias_history(metadata, "bicycle")] == [*promoted, *back]


def test_after_a_rollback_another_version_may_be_promoted_and_rolled_back(metadata):
    pointed(metadata, 1, 2)
    rollback(metadata, "bicycle", reason="slow", by="bob")
    promote(metadata, "bicycle", 4, reason="faster", by="carol")
    assert rollback(metadata, "bicycle", by="bob").version == 1
    assert [each.reason for each in alias_history(metadata, "bicycle")][2:] == [
        "rolled back from version 2 by bob: slow",
        "promoted by carol: faster",
        "rolled back from version 4 by bob",
    ]


def test_what_is_not_there_is_not_promoted(metadata):
    pointed(metadata, 1)
    with pytest.raises(UnknownNameError, match="no version named '9' in model 'bicycle'"):
        promote(metadata, "bicycle", 9)
    with pytest.raises(UnknownNameError, match="no alias named 'canary' in model 'bicycle'; there are: champion"):
        rollback(metadata, "bicycle", alias="canary")
