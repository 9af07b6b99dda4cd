"""Writes `docs/models.md`: every model type, what it gives, and its options. `python -m penstock.models.reference`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from penstock.models.learning.learner import Learner, Task
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.options import ALIASES, REFUSED, Option
from penstock.models.learning.search import Candidates, Range

_HEAD = """# Models

Every model type, made from the tables in `src/penstock/models/` by `python -m penstock.models.reference`. Types,
options and columns go by BigQuery ML's names. A model is declared by `ps.model(name, type=..., label=..., options=...)`
or `CREATE MODEL`; both give the same value, and the same graph predicts in batches, in SQL, and one row at a time over
REST. In SQL the rows are split as in BigQuery, AUTO_SPLIT, unless an option says otherwise; in Python they are not.
The column *tuned* says which options can be [tuned](tuning.md), and over what where `num_trials` alone is given.

```sql
CREATE OR REPLACE MODEL neighbourhoods OPTIONS(model_type='kmeans', num_clusters=5) AS SELECT lat, lon, kind FROM stops
```
"""

_LEARNED = """\
What a fit keeps of itself is in `graph.facts`: `evaluation` (metrics of the rows held out, or of the training
rows), `test_evaluation` where rows are kept to test, and in `learner` the `training`: of each iteration its `loss`,
`eval_loss` and `learning_rate`. How long one took is not kept: the same rows and options give the same bytes.

Before they enter, numbers are scaled (but for trees) and NULL becomes the mean; strings, bools, dates and times become
a category each, NULL one of its own; a timestamp is its seconds and its month, day, weekday and hour; a struct is its
fields. What training never saw counts as no entry.
"""

_SEVERAL = """\
## Several classes at once

A label that is an array of strings or of whole numbers says which of several classes hold: any number of them. A
`dnn_classifier` learns from such a label, with encoders among its features or without; no other type takes it. An empty
array is a row in which no class holds; a row whose label is NULL is left out.

```python
ps.model("film", type="dnn_classifier", label="genres", features={"plot": ps.col("plot").embedding(64)})
```

`predicted_<label>` is the array of the classes whose probability is above 0.5, or above the `threshold` of `ML.PREDICT`
and `ML.EVALUATE`, in the order of the classes; `predicted_<label>_probs` has every class, the most probable first. It
is judged by precision, recall, f1_score and roc_auc in the mean of the classes, by accuracy (rows in which every class
is right) and hamming_loss (what part of all is wrong), by log_loss, and by precision_micro, recall_micro and f1_micro,
which count all classes of all rows together. `auto_class_weights` lets a class count as much where it holds as where it
does not, and `class_weights` weigh a class where it holds.

## Several labels

A `dnn_regressor` or `dnn_classifier` takes several labels, which share one network: a list of columns, or, where labels
are computed, one name for a struct of them.

```python
ps.model("flat", type="dnn_regressor", label=["price", "kind"], features={"text": ps.col("text").embedding(64)})
ps.model("flat", type="dnn_regressor", label="flat", target=ps.struct(dear=ps.col("price") * 2, kind=ps.col("kind")))
```

```sql
CREATE MODEL flat OPTIONS(model_type='dnn_regressor', input_label_cols=['price', 'kind']) AS SELECT * FROM flats
```

What is learned of each is what its type says: numbers are values, strings, bools and dates classes, arrays several
classes at once; a whole number is a value in a `dnn_regressor` and a class in a `dnn_classifier`. Each has the
predicted columns that it would have alone, `predicted_price`, `predicted_kind`, `predicted_kind_probs`, and its own
metrics, `kind.accuracy`; `ML.EVALUATE` gives a row for each label. A row teaches the labels that it has: one that is
NULL does not count, and only a row without any is left out. All labels weigh the same, whatever their units: the loss
of each is told in what the best constant would lose. [Explanations](explain.md#several-labels-and-classes) are of
one label; such models are not tuned. As ONNX they give the same
outputs, with a flag for each of several classes.
"""

_GIVES: dict[Task, str] = {
    "regression": "`predicted_<label>`",
    "classification": "`predicted_<label>`, `predicted_<label>_probs` (each label with its probability)",
    "clustering": "`CENTROID_ID`, `NEAREST_CENTROIDS_DISTANCE` (each centroid with its distance)",
    "reduction": "`principal_component_1`, `principal_component_2`, ...",
    "transform": "the features themselves",
    "imported": "the outputs of the file; the first as `predicted_<label>` where a label is named",
}
_JUDGED: dict[Task, str] = {
    "regression": "mean_absolute_error, mean_squared_error, mean_squared_log_error, median_absolute_error, r2_score, "
    "explained_variance",
    "classification": "precision, recall, accuracy, f1_score, log_loss, roc_auc",
    "clustering": "davies_bouldin_index, mean_squared_distance",
    "reduction": "total_explained_variance_ratio",
    "transform": "nothing",
    "imported": "as a regression, where the label is a number and is named",
}
_LIBRARIES = {
    None: "DuckDB alone",
    "scipy": "NumPy and SciPy",
    "scikit-learn": "scikit-learn",
    "lightgbm": "LightGBM",
    "torch": "PyTorch (the extra `deep`)",
    "keras": "nothing: it is converted once (Keras on PyTorch, the extra `keras`) and read",
    "onnxruntime": "nothing: it is read (ONNX Runtime, the extra `onnx`)",
}


def reference() -> str:
    """Return the text of `docs/models.md`."""
    parts = [_HEAD, _overview(), _LEARNED, _SEVERAL]
    done: list[Mapping[str, Option]] = []
    for learner in LEARNERS.values():
        same = [name for name, other in LEARNERS.items() if other.options == learner.options]
        if learner.options and learner.options not in done:
            done.append(learner.options)
            parts.append(_options(same, learner.options))
    parts.append(_refused())
    return "\n".join(parts)


def _overview() -> str:
    rows = [
        f"| `{name}` | {_GIVES[learner.task]} | {_JUDGED[learner.task]} | {_exactness(learner)} | "
        f"{_LIBRARIES[learner.library]} |"
        for name, learner in LEARNERS.items()
    ]
    head = [
        "## Model types",
        "",
        "| type | gives | judged by | one row and many | fitted by |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _exactness(learner: Learner) -> str:
    return "equal" if learner.method is None or learner.method.exact else "within 1e-12"


def _options(types: list[str], options: Mapping[str, Option]) -> str:
    rows = [
        f"| `{name}` | {_values(option)} | {_default(option)} | {_tuned(option)} | {option.meaning} |"
        for name, option in options.items()
    ]
    title = "## Options of " + ", ".join(types)
    head = ["| option | values | default | tuned | meaning |", "|---|---|---|---|---|"]
    return "\n".join([title, "", *head, *rows, ""])


def _tuned(option: Option) -> str:
    """Say whether an option can be tuned, and over what it is where `num_trials` alone is given."""
    if option.tuned is None:
        return ""
    scale = ", by its logarithm" if option.tuned.log else ""
    match option.tuned.over:
        case Range(low, high):
            return f"{low:g} to {high:g}{scale}"
        case Candidates(values):
            return ", ".join(map(str, values))
    return "if asked"


def _values(option: Option) -> str:
    match option.type:
        case "choice" | "objectives":
            return ", ".join(option.choices)
        case "bool":
            return "TRUE, FALSE"
        case "column" | "time":
            return "the name of a column"
        case "text":
            return "a path"
        case "weights":
            return "labels with weights"
        case "ints":
            return "a list of whole numbers"
    kind = "whole number" if option.type == "int" else "number"
    least = "" if option.least is None else f" from {option.least:g}"
    return f"{kind}{least}" + ("" if option.most is None else f" to {option.most:g}")


def _default(option: Option) -> str:
    match option.default:
        case None:
            return ""
        case tuple():
            return ", ".join(map(str, option.default))
        case bool():
            return str(option.default).upper()
        case float():
            return f"{option.default:g}"
    return str(option.default)


def _refused() -> str:
    lines = [f"- `{name}`: {reason}." for name, reason in REFUSED.items()]
    aliases = ", ".join(f"`{other}` for `{name}`" for other, name in ALIASES.items())
    title = "## Options of BigQuery ML that are not here"
    return "\n".join([title, "", *lines, "", f"Other spellings that are taken: {aliases}.", ""])


def write(page: Path) -> None:
    """Write the page."""
    page.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parents[3] / "docs" / "models.md")
