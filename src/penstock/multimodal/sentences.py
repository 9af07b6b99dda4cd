"""Pretrained models of sentences: found by name, known by the digest of their files, run one text at a time.

A text by itself, not in a batch, so that a row has the very numbers that many rows have. What was seen is remembered.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from blake3 import blake3

from penstock.errors import CorruptArtifactError, DeclarationError, MissingExtraError
from penstock.multimodal.bert import bert_files
from penstock.operations.tensors.onnx_file import session

FOLDERS = "PENSTOCK_SENTENCE_MODELS"
"""The environment variable with folders that hold folders of models: where a model is looked for by its name."""

_TOKENIZER = "tokenizer.json"
_WEIGHTS = ("model.onnx", "onnx/model.onnx", "model.safetensors")
_TOLD = ("config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
_REMEMBERED = 1 << 14  # texts: of 384 numbers each 1.5 kB
_MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """A model in memory."""

    digest: str
    vector: Callable[[str], np.ndarray[Any, Any]]


def embedding(x: str, model: str, digest: str) -> list[float]:
    """Return a text's vector; raises as `loaded` does."""
    found: list[float] = np.frombuffer(_vector(x, model, digest), dtype=np.float32).tolist()
    return found


@lru_cache(_REMEMBERED)
def _vector(x: str, model: str, digest: str) -> bytes:
    return loaded(model, digest).vector(x).astype(np.float32).tobytes()


def loaded(model: str, digest: str) -> SentenceModel:
    """Return a model, by the name of its folder or package.

    Raises `DeclarationError` where there is none, and `CorruptArtifactError` where it is not the digest's.
    """
    folder = _found(model)
    files = _files(folder, model)
    known = _digest(folder, tuple(_stamped(path) for path in files))
    if digest and known != digest:
        raise CorruptArtifactError(
            f"the sentence model '{model}' here is another ({known[:12]}) than the one that was fitted with "
            f"({digest[:12]}): its vectors would mean something else. Bring that one, in a folder of {FOLDERS} or by "
            "the package's version, or fit again",
            digest=digest,
        )
    return _opened(folder, files[0], model, known)


@lru_cache(4)
def _opened(folder: Path, weights: Path, model: str, digest: str) -> SentenceModel:
    return SentenceModel(digest, _runner(folder, weights, model))


def _found(model: str) -> Path:
    """Return the folder of a model: one of that path, one of that name where models are kept, or a package's."""
    kept = [Path(each) for each in os.environ.get(FOLDERS, "").split(os.pathsep) if each]
    tried = [Path(model).expanduser(), *(each / Path(model).name for each in kept)]
    name = Path(model).name.replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        tried += [place, *sorted(each.parent for each in place.glob(f"*/{_TOKENIZER}"))]
    for folder in tried:
        if (folder / _TOKENIZER).is_file():
            return folder
    raise DeclarationError(
        f"there is no sentence model '{model}': neither a folder with a {_TOKENIZER} by that path, nor one of that "
        f"name in the folders of the environment variable {FOLDERS}, nor an installed package that holds one"
    )


def _files(folder: Path, model: str) -> list[Path]:
    """Return the files that a model is made of, its weights first."""
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise DeclarationError(f"sentence model '{model}' has no weights: there is none of {', '.join(_WEIGHTS)}")
    beside = [weights.with_name(f"{weights.name}{end}") for end in ("_data", ".data")]
    told = [*beside, *(folder / name for name in (_TOKENIZER, *_TOLD))]
    return [weights, *(path for path in told if path.is_file())]


def _stamped(path: Path) -> tuple[Path, int, int]:
    told = path.stat()
    return path, told.st_size, told.st_mtime_ns


@lru_cache(16)
def _digest(folder: Path, stamped: tuple[tuple[Path, int, int], ...]) -> str:
    """Return the digest of files, which are read again where their size or time is another."""
    made = blake3()
    for path, *_ in stamped:
        content = path.read_bytes()
        made.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
        made.update(content)
    return made.hexdigest()


def _runner(folder: Path, weights: Path, model: str) -> Callable[[str], np.ndarray[Any, Any]]:
    """Return the function from a text to its vector."""
    modules = _json(folder / "modules.json", default=[])
    kinds = [str(each["type"]).rpartition(".")[2] for each in modules]
    odd = [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]
    if odd:
        raise DeclarationError(f"sentence model '{model}' ends with a module {odd[0]}, which is not known here")
    encode = _tokenizer(folder)
    pool = _POOLS[_pooling(folder, model)]
    if weights.suffix == ".onnx":
        running = session(str(weights), threads=1)
    else:
        graph, arrays = bert_files(weights.read_bytes(), _json(folder / "config.json", default={}), model)
        running = session(graph, threads=1, weights=arrays)
    reads = [each.name for each in running.get_inputs()]
    if unknown := set(reads) - {"input_ids", "attention_mask", "token_type_ids"}:
        raise DeclarationError(
            f"sentence model '{model}' reads {', '.join(sorted(unknown))}, which a tokenizer does not give: export it "
            "with input_ids, attention_mask and token_type_ids alone"
        )
    named = [each.name for each in running.get_outputs()]
    output = "sentence_embedding" if "sentence_embedding" in named else named[0]

    def run(given: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        tensors = {name: np.array([given[name]], dtype=np.int64) for name in reads}
        [found] = running.run([output], tensors)
        vector: np.ndarray[Any, Any] = (pool(found[0]) if found.ndim == 3 else found[0]).astype(np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if "Normalize" in kinds and length else vector

    def vector(x: str) -> np.ndarray[Any, Any]:
        tokens = encode(x)
        if tokens.ids:
            return run(
                {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
            )
        return np.zeros_like(run({"input_ids": [0], "attention_mask": [1], "token_type_ids": [0]}))

    return vector


_POOLS: Mapping[str, Callable[[Any], Any]] = {
    "mean": lambda found: found.mean(axis=0),
    "cls": lambda found: found[0],
    "max": lambda found: found.max(axis=0),
}


def _pooling(folder: Path, model: str) -> str:
    told = _json(folder / "1_Pooling/config.json", default={})
    asked = [name for name, wanted in told.items() if name.startswith("pooling_mode_") and wanted is True]
    short = asked[0].removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") if asked else "mean"
    if len(asked) > 1 or short not in _POOLS:
        raise DeclarationError(f"sentence model '{model}' pools by {', '.join(asked)}; known here: {', '.join(_POOLS)}")
    return short


def _tokenizer(folder: Path) -> Callable[[str], Any]:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("tokenizers", extra="sentences", purpose="the embedding of a sentence") from error
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    told = _json(folder / "sentence_bert_config.json", default={})
    positions = _json(folder / "config.json", default={}).get("max_position_embeddings", _MOST_TOKENS)
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(told.get("max_seq_length") or positions, positions))
    encode: Callable[[str], Any] = tokenizer.encode
    return (lambda x: encode(x.lower())) if told.get("do_lower_case") else encode


def _json(path: Path, *, default: Any) -> Any:
    return msgspec.json.decode(path.read_bytes()) if path.is_file() else default
