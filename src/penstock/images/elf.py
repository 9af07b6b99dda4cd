"""What an ELF file says of what it needs to be loaded: its loader and its shared libraries."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"  # 64 bit, little-endian: every platform that our dependencies have wheels for
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


@dataclass(frozen=True, slots=True)
class Needs:
    """The path of the loader (programs have one), and the names of the libraries that the file itself asks for."""

    loader: str = ""
    libraries: tuple[str, ...] = ()


def read_needs(path: Path) -> Needs | None:
    """Return what a program or library needs; None where it is no 64-bit ELF file."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _needs(content)


def _needs(content: mmap.mmap) -> Needs:
    offset, size, count = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
    headers = [struct.unpack_from("<IIQQQQ", content, offset + number * size) for number in range(count)]
    loader = next((_text(content, start) for kind, _, start, *_ in headers if kind == _PT_INTERP), "")
    entries: list[tuple[int, int]] = []
    for start, length in ((start, length) for kind, _, start, _, _, length in headers if kind == _PT_DYNAMIC):
        for place in range(start, start + length, 16):
            tag, value = struct.unpack_from("<qQ", content, place)
            if tag == _DT_NULL:
                break
            entries.append((tag, value))
    address = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if address is None:
        return Needs(loader)
    names = next(
        start + address - begin
        for kind, _, start, begin, _, length in headers
        if kind == _PT_LOAD and begin <= address < begin + length
    )
    return Needs(loader, tuple(_text(content, names + value) for tag, value in entries if tag == _DT_NEEDED))


def _text(content: mmap.mmap, start: int) -> str:
    return content[start : content.find(b"\0", start)].decode()
