"""What every step of every tool does: leave one byte, so that real executions are counted and not assumed."""

import os


def tick():
    """Append a byte to the file of this run; one write, so that processes do not tear it."""
    descriptor = os.open(os.environ["TICKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, b"x")
    os.close(descriptor)
