"""joblib.Memory: memoised functions, called in order."""

import sys

from joblib import Memory
from tick import tick

shape, count = sys.argv[1], int(sys.argv[2])
memory = Memory("store", verbose=0)


@memory.cache
def begin():
    tick()
    return 0


@memory.cache
def inc(value, branch=0):
    tick()
    return value + 1 + branch


@memory.cache
def total(values):
    tick()
    return sum(values)


value = begin()
if shape == "wide":
    total([inc(value, branch) for branch in range(count - 2)])
else:
    for _ in range(count - 1):
        value = inc(value)
