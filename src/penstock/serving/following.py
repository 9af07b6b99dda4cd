"""What the server keeps ready follows the records, beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from penstock.serving.errors import LOG

REFRESH_SECONDS = 0.5
"""How often records are looked at: a push is served within about this time and the time to load the model."""


async def follow(refresh: Callable[[], Awaitable[None]], failed: str) -> NoReturn:
    """Refresh again and again until cancelled; `failed` is logged where that is not possible.

    Whatever is wrong with the records then, the next look may find it mended.
    """
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        try:
            await refresh()
        except Exception:
            LOG.exception(failed)
