"""What the server keeps ready goes on following the records after a look that failed."""

from __future__ import annotations

import asyncio

import pytest

from penstock.serving import following


def test_a_look_that_failed_is_logged_and_the_next_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "REFRESH_SECONDS", 0.0)
    looks: list[int] = []
    enough = asyncio.Event()

    async def refresh() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            raise OSError("the disk is away")
        enough.set()

    async def server() -> None:
        task = asyncio.create_task(following.follow(refresh, "cannot look"))
        await asyncio.wait_for(enough.wait(), timeout=30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(server())
    assert len(looks) >= 2
    [record] = caplog.records
    assert record.getMessage() == "cannot look"
    assert "the disk is away" in caplog.text
