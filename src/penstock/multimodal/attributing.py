"""What each branch adds to the totals of a network: Shapley values, where a branch that is left out is one that is
missing."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from penstock.multimodal.running import Running
from penstock.multimodal.tensors import Array, Columns, batch, without

MOST_EXACT = 8
"""Up to how many branches every coalition of them is tried: 256."""

_SEED = 7


def shares(running: Running, columns: Columns, pairs: int) -> tuple[Array, Array, Array]:
    """Return the totals where every branch is missing (outputs), those of the rows (rows, outputs), and what each
    branch adds on the way from the one to the other (rows, outputs, branches).

    What encoders read is encoded once for all coalitions: `running` is a spread network.
    Of more than `MOST_EXACT` branches so many `pairs` of orders are tried, each the other's reverse. A row is run by
    itself, so that what it is told does not depend on the rows beside it.
    """
    spec = running.spec
    kept, weights = coalitions(len(spec.branches), pairs)
    outputs = spec.outputs
    nothing, scores = np.zeros(outputs), np.empty((columns.rows, outputs))
    parts = np.empty((columns.rows, outputs, len(spec.branches)))
    for row in range(columns.rows):
        found = _totals(running, columns, row, kept)
        nothing, scores[row] = found[0], found[-1]
        parts[row] = (weights @ found).T
    return nothing, scores, parts


@lru_cache(maxsize=16)
def coalitions(players: int, pairs: int) -> tuple[Array, Array]:
    """Return which players are in each coalition that is tried (coalitions, players), from none to all of them, and the
    weights (players, coalitions) by which the coalitions' values add up to what each player adds."""
    orders = None if players <= MOST_EXACT else _orders(players, pairs)
    numbers = range(1 << players) if orders is None else sorted({each for order in orders for each in _along(order)})
    place = {number: at for at, number in enumerate(numbers)}
    weights = np.zeros((players, len(place)))
    for player in range(players):
        for number in place:
            if orders is None and not number >> player & 1:
                size = number.bit_count()
                share = 1.0 / (players * math.comb(players - 1, size))
                weights[player, place[number]] -= share
                weights[player, place[number | 1 << player]] += share
    for order in orders or ():
        for player, before in zip(order, _along(order), strict=False):
            weights[player, place[before]] -= 1.0 / len(orders or ())
            weights[player, place[before | 1 << player]] += 1.0 / len(orders or ())
    kept = np.array([[number >> player & 1 for player in range(players)] for number in place], dtype=np.float32)
    return kept, weights


def _orders(players: int, pairs: int) -> list[list[int]]:
    chance = np.random.default_rng(_SEED)
    drawn = [chance.permutation(players).tolist() for _ in range(pairs)]
    return [each for order in drawn for each in (order, order[::-1])]


def _along(order: list[int]) -> list[int]:
    """Return the coalitions, as bits, that grow in an order of the players, from none on."""
    found = [0]
    for player in order:
        found.append(found[-1] | 1 << player)
    return found


def _totals(running: Running, columns: Columns, row: int, kept: Array) -> Array:
    given = batch(running.spec, columns, np.array([row]))
    repeated = {
        name: each if name.startswith("input_") else np.repeat(each, len(kept), axis=0) for name, each in given.items()
    }
    return running.totals(without(running.spec, repeated, kept))
