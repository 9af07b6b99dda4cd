"""Arrays, structs and documents as features: they enter as many columns, and serve one row as they serve many."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pyarrow as pa
import pytest

import penstock.models as models
from penstock.models.graphs import nodes
from penstock.operations import col, struct

_WORDS = ("red", "green", "blue", "é", "Kings Cross")
FEATURES = {
    "tags": col("tags"),  # strings: multi-hot by itself
    "vector": col("vector").normalizer(),  # numbers: one column each
    "days": col("days"),
    "bag": col("text").text_analyze().bag_of_words(20, 1),
    "weights": col("text").text_analyze("PATTERN_ANALYZER").ngrams([1, 2]).tf_idf(20, 1),
    "cross": struct(place=col("place"), hash=col("place").hash_bucketize(3)).feature_cross(),
    "powers": struct(x=col("x").imputer("mean"), y=col("x")).polynomial_expand(),
}


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    draw = random.Random(5)
    made = []
    for _ in range(300):
        tags = draw.sample(_WORDS, draw.randrange(4))
        made.append(
            {
                "tags": draw.choice([tags, tags, None]),
                "vector": [draw.random(), draw.choice([0.0, 1.0, None]), -draw.random()],
                "days": [draw.randrange(7) for _ in range(2)],
                "text": draw.choice([None, " ".join(draw.choices(_WORDS, k=3)) + "!"]),
                "place": draw.choice([None, *_WORDS]),
                "x": draw.choice([None, draw.random()]),
                "y": 3.0 * ("red" in tags) + draw.random(),
                "kind": "warm" if "red" in tags else "cold",
            }
        )
    return pa.Table.from_pylist(made)


@pytest.mark.parametrize("type", ["linear_reg", "logistic_reg", "boosted_tree_regressor", "boosted_tree_classifier"])
def test_a_row_is_predicted_as_in_a_batch(type: str, rows: pa.Table) -> None:
    label = "y" if "regressor" in type or type == "linear_reg" else "kind"
    options = {} if "tree" not in type else {"max_iterations": 5}
    graph = models.fit(models.model("m", type=type, label=label, features=FEATURES, options=options), rows)
    assert not graph.facts["disagreements"]
    predictor = models.row_predictor(graph)
    batch = models.predict(graph, rows)
    for position in range(0, rows.num_rows, 7):
        one = predictor.predict(rows.slice(position, 1).to_pylist()[0])
        assert _close(one, {name: batch[name][position].as_py() for name in one})


def _close(one: object, other: object) -> bool:
    """Tell whether two predictions are equal, their numbers within 1e-12."""
    if isinstance(one, dict):
        return all(_close(one[name], other[name]) for name in other)
    if isinstance(one, list):
        return all(map(_close, one, other))
    return one == pytest.approx(other, rel=1e-12) if isinstance(one, float) else one == other


def test_arrays_of_strings_are_multi_hot_and_arrays_of_numbers_a_column_each(rows: pa.Table) -> None:
    features = {"tags": col("tags"), "vector": col("vector"), "days": col("days")}
    graph = models.fit(models.model("m", type="linear_reg", label="y", features=features), rows)
    entering = nodes.concat(graph)
    assert entering.params["kinds"] == ("sparse",) * 3
    assert entering.params["widths"] == (len(_WORDS) + 1, 3, 2)  # index 0: NULL and unseen


def test_an_unseen_tag_is_predicted_with(rows: pa.Table) -> None:
    graph = models.fit(models.model("m", type="linear_reg", label="y", features={"tags": col("tags")}), rows)
    made = models.predict(graph, pa.table({"tags": [["red"], ["red", "never seen"], ["never seen"], [], None]}))
    known, both, unseen, empty, missing = made["predicted_y"].to_pylist()
    assert both == known
    assert unseen == empty == missing


def test_a_graph_serves_in_a_process_that_has_only_loaded_it(rows: pa.Table, tmp_path) -> None:
    graph = models.fit(models.model("m", type="linear_reg", label="y", features=FEATURES), rows)
    graph.save(tmp_path / "m")
    sample = rows.slice(0, 9).to_pylist()
    program = (
        "import json, sys; import penstock as ps\n"
        f"graph = ps.load_model({str(tmp_path / 'm')!r}); rows = json.load(sys.stdin)\n"
        "print(json.dumps(graph.predict(rows)['predicted_y'].to_pylist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(sample), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == models.predict(graph, rows.slice(0, 9))["predicted_y"].to_pylist()
