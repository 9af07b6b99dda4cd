"""Layers and archives: equal files give equal bytes."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from penstock.images.archive import read_base, write_image
from penstock.images.layers import Layer, write_layer


def layer_of(folder: Path, *, mtime: int = 0) -> Layer:
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o750)
    os.utime(folder / "tool", (mtime, mtime))
    layer = Layer(made_by="a test", links={"bin": "usr/bin"}, folders={"tmp": 0o1777})
    layer.files |= {"usr/bin/tool": folder / "tool", "etc/name": b"value"}
    return layer


def content(layer: Layer) -> tuple[str, bytes]:
    file = io.BytesIO()
    return write_layer(layer, file), file.getvalue()


def test_dates_owners_and_order_do_not_show(tmp_path: Path):
    one, other = layer_of(tmp_path / "one"), layer_of(tmp_path / "other", mtime=1_000_000)
    other.files = dict(reversed(other.files.items()))
    assert content(one) == content(other)


def test_a_layer_has_its_files_links_and_folders(tmp_path: Path):
    with tarfile.open(fileobj=io.BytesIO(content(layer_of(tmp_path / "one"))[1])) as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert tar.extractfile("usr/bin/tool").read() == b"#!/bin/sh\n"
    assert (members["usr/bin/tool"].mode, members["etc/name"].mode) == (0o755, 0o644)
    assert members["bin"].linkname == "usr/bin"
    assert members["tmp"].mode == 0o1777
    assert {name for name, member in members.items() if member.isdir()} == {"etc", "tmp", "usr", "usr/bin"}


def test_an_image_on_a_base_has_the_layers_of_both_and_the_later_settings_win(tmp_path: Path):
    below, above = tmp_path / "below.tar", tmp_path / "above.tar"
    first, second = layer_of(tmp_path / "one"), Layer(made_by="more", files={"etc/other": b"1"})
    write_image(below, [first], name="base:1", labels={"a": "1", "b": "1"}, environment={"PATH": "/bin", "X": "1"})
    id = write_image(above, [second], name="mine:1", labels={"b": "2"}, environment={"X": "2"}, base=read_base(below))
    with tarfile.open(above) as tar:
        (manifest,) = json.loads(tar.extractfile("manifest.json").read())
        configuration = json.loads(tar.extractfile(manifest["Config"]).read())
        layers = [tar.extractfile(place).read() for place in manifest["Layers"]]
    assert manifest["Config"] == f"{id}.json"
    assert manifest["RepoTags"] == ["mine:1"]
    assert layers == [content(first)[1], content(second)[1]]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{content(layer)[0]}" for layer in (first, second)]
    assert configuration["config"]["Env"] == ["PATH=/bin", "X=2"]
    assert configuration["config"]["Labels"] == {"a": "1", "b": "2"}


def test_equal_inputs_give_an_equal_image(tmp_path: Path):
    ids = [
        write_image(tmp_path / f"{name}.tar", [layer_of(tmp_path / name)], name="x:1", labels={}, environment={})
        for name in ("one", "other")
    ]
    assert ids[0] == ids[1]
