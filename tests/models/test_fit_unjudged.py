"""A graph that is asked once and not kept may do without what tells of it: what it predicts is the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

import penstock as ps
from penstock.models import fit

ROWS = pa.table(
    {"x": [float(n % 7) for n in range(80)], "c": [n % 3 == 0 for n in range(80)], "y": [n / 3 for n in range(80)]}
)


@pytest.mark.parametrize(("type", "label"), [("linear_reg", "y"), ("boosted_tree_classifier", "c")])
def test_what_is_not_judged_predicts_the_same_and_tells_nothing_of_itself(type: str, label: str) -> None:
    model = ps.model("m", type=type, label=label, features={"x": ps.col("x")})
    whole, bare = fit(model, ROWS), fit(model, ROWS, judged=False)
    assert bare.blobs == whole.blobs
    assert bare.nodes == whole.nodes
    assert bare.predict(ROWS).equals(whole.predict(ROWS))
    assert not {"evaluation", "statistics", "disagreements"} & set(bare.facts)
    assert {"evaluation", "statistics", "disagreements"} <= set(whole.facts)
