"""An address that is shown or recorded has no password in it."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.core.ports import Context
from penstock.errors import DeclarationError
from penstock.secrets import without_password
from penstock.stores import Members, open_metadata


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:hush@db:5432/runs", "postgresql://ann@db:5432/runs"),
        (
            "postgresql+psycopg://ann:hush%40@db/runs?sslmode=require",
            "postgresql+psycopg://ann@db/runs?sslmode=require",
        ),
        ("postgresql://ann:hu@sh@db/runs", "postgresql://ann@db/runs"),
        ("postgresql://ann:hu/sh@db/runs", "postgresql://ann@db/runs"),
        ("postgresql://db/runs?user=ann&password=hush&sslpassword=hush", "postgresql://db/runs?user=ann"),
        ("redis://:hush@h:6379/0", "redis://@h:6379/0"),
        ("s3://bucket/a?secret_key=hush&region=x", "s3://bucket/a?region=x"),
        ("sqlite:////a/b@c:d.db?mode=ro", "sqlite:////a/b@c:d.db?mode=ro"),
        ("redis://h:6379/x@y", "redis://h:6379/x@y"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_a_password_is_left_out_and_nothing_else(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_a_shared_store_never_has_the_password_of_a_projects_records(tmp_path) -> None:
    Members(tmp_path).join("one", "postgresql://ann:hush@db/runs")
    Members(tmp_path).join("one", "postgresql://ann:other@db/runs")  # another password is no other project
    assert [each.metadata for each in Members(tmp_path).all()] == ["postgresql://ann@db/runs"]
    assert list(Members(tmp_path).others("postgresql://ann:new@db/runs")) == []
    assert not any(b"hush" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("address", ["postgresql://ann:hush@db/runs", "postgresql://ann:hush@db:port/runs"])
def test_an_error_about_an_address_does_not_say_its_password(address: str) -> None:
    with pytest.raises(DeclarationError, match="ann@db") as caught:
        open_metadata(address)
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"


def test_a_context_that_is_printed_does_not_say_where_the_records_are() -> None:
    context = Context(root="/p", metadata="postgresql://ann:hush@db/runs", artifacts="s3://k:hush@b")
    assert "hush" not in repr(context)


def test_a_stream_with_a_password_is_refused_without_saying_it() -> None:
    with pytest.raises(DeclarationError, match="REDISCLI_AUTH") as caught:
        ps.event("t", stream="redis://ann:hush@h:6379/orders")
    assert "hush" not in str(caught.value)
