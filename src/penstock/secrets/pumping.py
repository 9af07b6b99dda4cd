"""A pump: the process between what a step prints and its log, which masks secrets on the way.

It is a process of its own because a thread could not write while native code holds Python's lock, and so that the last
words of a step that crashes still arrive. It is run by its path, imports nothing of penstock, and starts in 20 ms.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
from collections.abc import Sequence

_CHUNK = 1 << 16
_MASK = b"***"


class Masking:
    """A stream of bytes without secrets; the end of a piece that may be the beginning of one is held back."""

    def __init__(self) -> None:
        self._forms: Sequence[bytes] = ()
        self._pattern = re.compile(b"(?!)")
        self._held = b""

    def use(self, forms: Sequence[bytes]) -> None:
        """Mask these from now on, the longest first."""
        self._forms, self._pattern = forms, re.compile(b"|".join(map(re.escape, forms)))

    def feed(self, piece: bytes) -> bytes:
        """Return what can be written of what has come so far."""
        whole, written, position = self._held + piece, [], 0
        undecided = self._undecided(whole, position)
        for found in self._pattern.finditer(whole):
            if found.start() >= undecided:
                break
            written += [whole[position : found.start()], _MASK]
            position = found.end()
            if position > undecided:
                undecided = self._undecided(whole, position)
        self._held = whole[undecided:]
        written.append(whole[position:undecided])
        return b"".join(written)

    def rest(self) -> bytes:
        """Return what was held back: nothing follows it."""
        held, self._held = self._held, b""
        return self._pattern.sub(_MASK, held)

    def _undecided(self, whole: bytes, start: int) -> int:
        """Return from where on, after `start`, the rest may be the beginning of a secret."""
        return len(whole) - max((_overlap(whole, form, start) for form in self._forms), default=0)


def _overlap(text: bytes, form: bytes, start: int) -> int:
    """Return the length of the longest end of a text, after `start`, that is a beginning of `form`, not all of it."""
    at = text.find(form[:1], max(start, len(text) - len(form) + 1))
    while at >= 0 and not form.startswith(text[at:]):
        at = text.find(form[:1], at + 1)
    return len(text) - at if at >= 0 else 0


def is_pump(pid: int) -> bool:
    """Tell whether a process is a pump, which ends by itself when everybody that wrote to it has (Linux)."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(__file__) in file.read().split(b"\0")
    except OSError:
        return False


def main(control: int) -> None:
    """Pump from standard input to standard output until nobody can write any more.

    Orders come over the socket `control` as lines, each answered by a byte: the forms to mask, in hexadecimal, or
    nothing: write out what is held back.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # meant for the step, whose last words are wanted
    masking, orders = Masking(), b""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if 0 in ready:  # first, so that what was printed before an order is written before it is answered
            piece = os.read(0, _CHUNK)
            _write(masking.feed(piece) if piece else masking.rest())
            if not piece:
                return
            continue
        received = os.read(control, _CHUNK)
        if not received:
            poll.unregister(control)
        *lines, orders = (orders + received).split(b"\n")
        for line in lines:
            if forms := [bytes.fromhex(form.decode()) for form in line.split()]:
                masking.use(forms)
            else:
                _write(masking.rest())
            _answer(control)


def _answer(control: int) -> None:
    try:
        os.write(control, b".")
    except (BrokenPipeError, ConnectionResetError):
        return  # who asked has ended


def _write(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(1, piece) :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
