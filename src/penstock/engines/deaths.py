"""How a worker that died without an outcome is explained to the user."""

from __future__ import annotations

import signal

from penstock.engines.messages import Ended

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


def explanation(ended: Ended, *, timeout_seconds: float | None) -> str:
    """Return what happened to a worker, what may have caused it, and what to do."""
    if ended.cause == "timeout":
        return (
            f"stopped after {timeout_seconds:g} s, the step's time limit, with every process it had started; "
            "give it more time (timeout=...), or less to do"
        )
    peak = f"It had used up to {ended.peak_memory_bytes / 1e6:,.0f} MB of memory. "
    if ended.exit_code >= 0:
        return (
            f"the worker process left with exit code {ended.exit_code} before the step returned: "
            f"something in it called os._exit(). {peak}Its log says how far it came"
        )
    number = signal.Signals(-ended.exit_code)
    match number:
        case signal.SIGKILL:
            why = (
                "The kernel does this when memory runs out, else somebody did it by hand; "
                "give the step fewer rows at once, or run fewer steps at once"
            )
        case _ if number in _CRASHES:
            why = "A native library crashed; Python's stack at that moment stands at the end of the step's log"
        case _:
            why = "Somebody sent it that signal"
    return f"the worker process was ended by {number.name} ({signal.strsignal(number)}). {peak}{why}"
