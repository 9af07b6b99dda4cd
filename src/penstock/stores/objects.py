"""How figures and values of declared types become bytes."""

from __future__ import annotations

import shutil
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import DataError
from penstock.stores.unpacking import pack, unpacked
from penstock.stores.writing import disk_errors
from penstock.values import Figure, as_figure, codec_named, codec_of, from_bytes, is_drawn

_REFERENCE, _VALUE = "codec", "value"


class FigureCodec:
    """Figures, as the bytes of their file: what matplotlib, plotly or altair drew, or `ps.html`, `ps.svg`, `ps.png`."""

    kind = "figure"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a figure, or was drawn by a plotting library."""
        return is_drawn(value)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a figure; facts are its `media_type`, `size_bytes`, and where known `width` and `height` in pixels."""
        figure = as_figure(value)
        digest = store.put(figure.content)
        facts: dict[str, Any] = {"media_type": figure.media_type, "size_bytes": len(figure.content)}
        if figure.size is not None:
            facts["width"], facts["height"] = figure.size
        return Artifact(digest=digest, kind=self.kind, uri=store.path(digest).as_uri(), facts=facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Figure:
        """Return the figure."""
        content = store.path(artifact.digest).read_bytes()
        given = artifact.facts.get("media_type")
        return Figure(given, content) if given else from_bytes(content)


class ObjectCodec:
    """Values of a type with a declared codec: what its `save` wrote, and the name of the codec, in one tar file."""

    kind = "object"

    def accepts(self, value: Any) -> bool:
        """Tell whether a codec is declared for the value's class."""
        return codec_of(value) is not None

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a value; facts are `codec`, the `type`, `size_bytes`, and `unsafe` of one that is a pickle."""
        codec = codec_of(value)
        if codec is None:
            raise DataError(f"no codec is declared for {type(value).__qualname__}; write ps.codec(...) beside it")
        folder = store.scratch()
        try:
            with disk_errors(folder):
                folder.mkdir()
            codec.save(value, folder / _VALUE)
            if not (folder / _VALUE).exists():
                raise DataError(f"the codec {codec.reference} wrote nothing at the path that its save was given")
            with disk_errors(folder):
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                (folder / _REFERENCE).write_text(codec.reference)
            digest, _, _ = pack(folder, store)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        cls = f"{type(value).__module__}.{type(value).__qualname__}"
        facts = {"codec": codec.reference, "type": cls, "size_bytes": size, **({} if codec.safe else {"unsafe": True})}
        return Artifact(digest=digest, kind=self.kind, uri=store.path(digest).as_uri(), facts=facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the value, by the codec that kept it."""
        files = unpacked(artifact.digest, store)
        return codec_named((files / _REFERENCE).read_text()).load(files / _VALUE)
