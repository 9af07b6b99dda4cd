"""A project over REST has the surface of one in a folder."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import penstock as ps
from penstock.features import FeatureReader, FeatureStore
from penstock.project.repository import Repository
from penstock.remote import is_address
from penstock.remote.feature_reader import RemoteReader
from penstock.remote.features import RemoteFeatures
from penstock.remote.pipelines import _annotation
from penstock.remote.repository import RemoteRepository

HERE_ONLY = {"ablate", "config", "root", "table"}


def _public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


def test_every_method_is_there_with_the_same_parameters():
    for name in _public(ps.Project) - HERE_ONLY:
        local, remote = getattr(ps.Project, name), getattr(ps.RemoteProject, name, None)
        if inspect.isfunction(local):
            assert remote is not None, name
            assert list(inspect.signature(remote).parameters) == list(inspect.signature(local).parameters), name


def test_every_attribute_is_there(tmp_path: Path):
    local, remote = ps.open(tmp_path), ps.open("http://host:1")
    names = {name for name in {*vars(local), *_public(ps.Project)} if not name.startswith("_")}
    assert {name for name in names - HERE_ONLY if not hasattr(remote, name)} == set()
    assert list(inspect.signature(remote.tune).parameters) == list(inspect.signature(local.tune).parameters)
    assert _public(Repository) - _public(RemoteRepository) - {"forget_project"} == set()


@pytest.mark.parametrize(
    ("local", "remote"), [(FeatureStore, RemoteFeatures), (FeatureReader, RemoteReader)], ids=["store", "reader"]
)
def test_features_are_asked_for_with_the_same_parameters(local, remote):
    for name in _public(local) - {"lists"}:  # which is what the server answers from
        if inspect.isfunction(getattr(local, name)):
            mine, theirs = (list(inspect.signature(getattr(of, name)).parameters) for of in (local, remote))
            assert mine == theirs, name
        else:
            assert hasattr(remote, name), name
    assert {"__getitem__", "__iter__", "__len__", "__contains__"} & {*vars(local)} <= {*vars(remote)}


@pytest.mark.parametrize("name", sorted(HERE_ONLY))
def test_what_is_there_in_a_folder_alone_says_so(name: str):
    with pytest.raises(AttributeError, match=rf"a project over REST has no '{name}'; \w+"):
        getattr(ps.open("http://host:1"), name)
    with pytest.raises(AttributeError, match=r"has no 'fitt'$"):
        _ = ps.open("http://host:1").fitt


def test_an_address_is_told_from_a_folder():
    assert is_address("http://a")
    assert is_address("https://a")
    assert not is_address("http")
    with pytest.raises(ps.errors.DeclarationError, match=r"'\.' is a folder; a token is a server's"):
        ps.open(".", token="x")


@pytest.mark.parametrize(
    ("text", "type"), [("int", int), ("str | None", str | None), ("Literal['a']", None), ("list[int]", None)]
)
def test_the_types_of_parameters_are_read(text, type):
    found = _annotation(text)
    assert found == type if type is not None else repr(found) == "typing.Any"
