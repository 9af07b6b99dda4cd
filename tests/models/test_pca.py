"""Principal components: those of scikit-learn up to their sign, alike for one row and many."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

import penstock.models as models
from penstock.errors import DataError, DeclarationError

RANDOM = np.random.default_rng(9)
MATRIX = RANDOM.normal(size=(300, 4)) @ RANDOM.normal(size=(4, 4)) * [1, 10, 0.1, 3] + [2000, -5, 0, 1]
TABLE = pa.table({name: MATRIX[:, at] for at, name in enumerate("abcd")})


def reduced(rows=TABLE, **options):
    return models.fit(models.model("axes", type="pca", options=options), rows)


def scores_of(graph, rows=TABLE):
    found = graph.predict(rows)
    return np.column_stack([found[name].to_numpy() for name in graph.signature.outputs.names])


def apart(found, expected):
    """How far scores are from others, when each component may have the other sign."""
    signs = np.sign((found * expected).sum(axis=0))
    return np.abs(found - expected * signs).max()


def test_components_are_those_of_scikit_learn():
    graph = reduced(num_principal_components=3, scale_features=False)
    theirs = PCA(3).fit(MATRIX)
    assert graph.signature.outputs.names == tuple(f"principal_component_{number}" for number in (1, 2, 3))
    assert apart(scores_of(graph), theirs.transform(MATRIX)) < 1e-8
    components = graph.facts["learner"]["components"]
    assert [each["eigenvalue"] for each in components] == pytest.approx(theirs.explained_variance_.tolist())
    assert [each["explained_variance_ratio"] for each in components] == pytest.approx(
        theirs.explained_variance_ratio_.tolist()
    )


def test_features_are_scaled_unless_asked_otherwise():
    scaled = (MATRIX - MATRIX.mean(axis=0)) / MATRIX.std(axis=0, ddof=1)
    assert apart(scores_of(reduced(num_principal_components=4)), PCA(4).fit_transform(scaled)) < 1e-8


def test_categories_are_one_hot_columns():
    colours = RANDOM.choice(["red", "green", "blue"], 300)
    rows = TABLE.append_column("colour", pa.array(colours))
    hot = np.column_stack([MATRIX, *(colours == name for name in ("blue", "green", "red"))]).astype(float)
    graph = reduced(rows, num_principal_components=5, scale_features=False)
    assert apart(scores_of(graph, rows), PCA(5).fit_transform(hot)) < 1e-8
    assert graph.facts["disagreements"] == []


def test_as_many_components_as_explain_a_part_of_the_variance():
    theirs = PCA(0.9).fit((MATRIX - MATRIX.mean(axis=0)) / MATRIX.std(axis=0, ddof=1))
    graph = reduced(pca_explained_variance_ratio=0.9)
    assert len(graph.signature.outputs.names) == theirs.n_components_
    explained = graph.facts["learner"]["components"][-1]["cumulative_explained_variance_ratio"]
    assert explained >= 0.9
    assert graph.facts["evaluation"] == {"total_explained_variance_ratio": pytest.approx(explained)}
    assert graph.evaluate(TABLE) == graph.facts["evaluation"]


def test_evaluate_tells_how_much_of_other_rows_is_explained():
    graph = reduced(num_principal_components=1, scale_features=False)
    along = TABLE.slice(0, 50)
    found = graph.evaluate(along)["total_explained_variance_ratio"]
    part = MATRIX[:50]
    assert found == pytest.approx(PCA(1).fit(MATRIX).transform(part).var() / part.var(axis=0).sum())


def test_one_row_is_reduced_as_in_a_batch_to_the_bit(graphs, flights):
    graph = graphs["pca"]
    inputs = flights.select(graph.signature.inputs.names)
    nothing = pa.Table.from_pylist([dict.fromkeys(inputs.column_names)], schema=inputs.schema)
    rows = pa.concat_tables([inputs, nothing])
    expected = graph.predict(rows).select(graph.signature.outputs.names).to_pylist()
    assert [graph.predict_row(row) for row in rows.to_pylist()] == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, DeclarationError, "needs one of num_principal_components and pca_explained_variance_ratio"),
        (
            {"num_principal_components": 2, "pca_explained_variance_ratio": 0.5},
            DeclarationError,
            "needs one of num_principal_components",
        ),
        ({"num_principal_components": 5}, DataError, "num_principal_components is 5; .* have 4 components at most"),
        ({"pca_solver": "RANDOMIZED"}, DeclarationError, "it takes AUTO or FULL"),
    ],
)
def test_an_option_that_cannot_be_is_named(options, error, message):
    with pytest.raises(error, match=message):
        reduced(**options)
