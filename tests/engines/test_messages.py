"""Messages between an engine and its template."""

from __future__ import annotations

from penstock.engines.messages import Cancel, Inbox, Started, packed


def test_messages_come_whole_however_the_bytes_are_cut():
    sent = [Cancel(task="a" * 300), Started(task="b", pid=7), Cancel(task="")]
    stream = b"".join(packed(message) for message in sent)
    for size in (1, 7, 8, 9, 100, len(stream)):
        inbox = Inbox()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [message for piece in pieces for message in inbox.add(piece)] == sent
