"""How a worker that died without an outcome, or was stopped, is explained to the user."""

from __future__ import annotations

import signal

from penstock.engines.messages import Ended, Start

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
_LESS = "give the step fewer rows at once, or run fewer steps at once"


def explanation(ended: Ended, start: Start) -> str:
    """Return what happened to a worker, what may have caused it, and what to do."""
    peak = f"It had used up to {ended.peak_memory_bytes / 1e6:,.0f} MB of memory"
    stack = "where it stood, the end of the step's log shows"
    match ended.cause:
        case "timeout":
            return (
                f"stopped after {start.timeout_seconds:g} s, the step's time limit, with every process it had started; "
                f"{stack}; give it more time (timeout=...), or less to do"
            )
        case "hung":
            return (
                f"hung: no sign of life for {start.heartbeat_seconds:g} s, so it was stopped, with every process it "
                f"had started; {stack}; native code that keeps Python's lock for so long needs a longer heartbeat=..."
            )
        case "memory":
            return (
                f"stopped when it and the processes it had started used {ended.peak_memory_bytes / 1e6:,.0f} MB of "
                f"memory, more than the {start.share.memory_bytes / 1e6:,.0f} MB that it asked for; ask for more "
                "(memory=...), or give it fewer rows at once"
            )
        case "out of memory":
            return (
                f"out of memory: the kernel killed the worker process (SIGKILL), because the machine, or its control "
                f"group, had no memory left. {peak}; {_LESS}, or say what it needs (memory=...), so that "
                "steps that do not fit beside each other wait"
            )
    if ended.exit_code >= 0:
        return (
            f"the worker process left with exit code {ended.exit_code} before the step returned: "
            f"something in it called os._exit(). {peak}. Its log says how far it came"
        )
    number = signal.Signals(-ended.exit_code)
    match number:
        case signal.SIGKILL:
            why = f"The kernel does this when memory runs out, else somebody did it by hand; {_LESS}"
        case _ if number in _CRASHES:
            why = "A native library crashed; Python's stack at that moment stands at the end of the step's log"
        case _:
            why = "Somebody sent it that signal"
    return f"the worker process was ended by {number.name} ({signal.strsignal(number)}). {peak}. {why}"
