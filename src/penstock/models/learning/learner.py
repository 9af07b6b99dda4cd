"""What a learner is: one value that says how features enter, how it fits, and how it estimates many rows and one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from penstock.models.learning.matrix import Examples, Features, Floats
from penstock.models.learning.options import Option
from penstock.models.learning.preprocess import Form, Kind
from penstock.multimodal import Branch, Head
from penstock.operations.tensors import Recorder, Value

if TYPE_CHECKING:
    import pyarrow as pa

Task: TypeAlias = Literal[
    "regression", "classification", "multilabel", "multioutput", "clustering", "reduction", "transform", "imported"
]
SUPERVISED: tuple[Task, ...] = ("regression", "classification")
"""The tasks of learners that learn from labels; the others have none. A network's label that is an array is
`multilabel`: several classes may hold at once; one that is a struct is `multioutput`: its fields are labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """A fitted estimator as its learner reads it: its files, and the form of what enters it.

    `kinds` and `widths` say of each entering column what it is and how many numbers it stands for. `classes` is how
    many labels there are to tell apart: 0 where it is no classifier.
    """

    files: Mapping[str, bytes]
    kinds: tuple[Kind, ...]
    widths: tuple[int, ...]
    classes: int = 0


Progress: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Hears of each iteration when it has ended: what `Learned` keeps of it."""


def unheard(iteration: Mapping[str, Any]) -> None:
    """Hear of an iteration, and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a learner learns from: examples, those held out (None: none are), and the options, all of them set.

    `names` are those of the entering columns. `weights` say how much each row of `train` counts (None: all the same).
    `progress` is told of each iteration by learners that take long. `branches`, where an encoder reads some of what
    enters, are the representations, and `owners` the place of its branch for each entering column. `columns` are the
    values, in the rows of `train`, of the columns that options name, by the options' names. `heads` are what a network
    predicts, where that is not one value or one class: the target and the weights are then matrices of cells, as
    `multimodal.Head` tells.
    """

    train: Examples
    held_out: Examples | None
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    widths: tuple[int, ...]
    options: Mapping[str, Any]
    classes: int = 0
    heads: tuple[Head, ...] = ()
    weights: Floats | None = None
    columns: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    progress: Progress = unheard
    branches: tuple[Branch, ...] = ()
    owners: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a learner gives: the estimator's files, how many numbers it estimates, and what is worth knowing.

    In `facts`, JSON that is the same for the same rows and options, `training` is a list with a dictionary for each
    iteration: `iteration` (from 0), `loss` (of the training rows), `eval_loss` (of the rows held out, None where there
    are none) and `learning_rate` (None where the learner has no such thing). A learner without iterations leaves it
    out. How long an iteration took is not there: the same rows would then not give the same bytes.
    """

    files: Mapping[str, bytes]
    outputs: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weights:
    """What a linear model learned: for each output a constant and, for each entering column, a weight for each of its
    numbers (one for a number, one for each index otherwise). `means` is what each column added in the mean of the
    training rows, where that was kept: what an explanation sets a row against."""

    constants: tuple[float, ...]
    weights: tuple[tuple[tuple[float, ...], ...], ...]
    means: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much an entering column counts in trees, as BigQuery ML has it: how often they split by it, and the gain and
    the rows (cover) of such a split in the mean."""

    weight: int
    gain: float
    cover: float


@dataclass(frozen=True, slots=True)
class Centroids:
    """The middle of each cluster, by the features' own numbers: for each entering column a value (of a number), or one
    for each index. `distance` is EUCLIDEAN or COSINE."""

    distance: str
    values: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributions:
    """What each entering column adds to each score of each row.

    A score is the value of a regression, the log-odds of the second of two classes, or, of more classes, what softmax
    makes probabilities of. `baselines` are the scores of no row in particular, and `parts` (rows, scores, columns) what
    leads from them to the `scores` (rows, scores): together they are the scores, or nearly, where the method
    approximates. A method that knows the declared `features` as wholes names them, and its parts are theirs.
    """

    baselines: Floats
    scores: Floats
    parts: Floats
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLines:
    """The lines of Python that set `estimate` for one row, and the globals that they read."""

    lines: list[str]
    names: Mapping[str, Any]


class Fit(Protocol):
    """Learn from a lesson: the same lesson gives the same bytes."""

    def __call__(self, lesson: Lesson) -> Learned:
        """Return what was learned."""


class Estimate(Protocol):
    """Estimate many rows: a value, the probability of each class, the distance to each centroid, each component."""

    def __call__(self, estimator: Estimator, features: Features) -> Floats:
        """Return a matrix with a row for each row."""


class Attribute(Protocol):
    """Say what each entering column, or each feature, adds to the scores of many rows. `steps` is how finely a method
    goes that only approximates; to the others it means nothing."""

    def __call__(self, estimator: Estimator, features: Features, *, steps: int) -> Attributions:
        """Return the attributions; those of a row do not depend on the rows beside it."""


class WriteRow(Protocol):
    """Write what `Estimate` does, for one row whose entering values have these names.

    `estimate` becomes a number where the task is a regression, the probability of the second class where there are
    two, and a list of numbers otherwise. Both forms give the same bits, but for what `Method.exact` says.
    """

    def __call__(self, estimator: Estimator, entering: Sequence[str]) -> RowLines:
        """Return the lines and their globals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteringTensor:
    """One column that enters, as tensors: its kind, how many numbers it stands for, its value; `rows` is the shape of a
    column."""

    kind: Kind
    width: int
    value: Value
    rows: str


class Lower(Protocol):
    """Record what `Estimate` does, as tensors."""

    def __call__(self, t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
        """Return the tensor with a row for each row."""


class Judge(Protocol):
    """Judge an estimator without labels, by BigQuery ML's metrics."""

    def __call__(self, estimator: Estimator, features: Features, estimates: Floats) -> dict[str, float]:
        """Return the metrics; NaN for one without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a learner fits, and estimates many rows and one. `exact` tells that one row and many give the same bits;
    otherwise they agree within the `tolerance`.

    `concurrent` tells that several fits may run at a time in threads of one process: they change nothing that others
    see. `judge` is there where there are no labels to judge by. The rest is what the method can tell of itself, None
    where it cannot: the `weights` of the entering columns, the `importance` of each, the `centroids` of clusters, what
    each column or feature adds to a prediction (`attribute`), and how it is written as tensors (`lower`), without which
    a model cannot be exported to ONNX.
    """

    fit: Fit
    estimate: Estimate
    row: WriteRow
    exact: bool = True
    tolerance: float = 1e-12
    concurrent: bool = False
    judge: Judge | None = None
    weights: Callable[[Estimator], Weights] | None = None
    importance: Callable[[Estimator], tuple[Importance, ...]] | None = None
    centroids: Callable[[Estimator], Centroids] | None = None
    attribute: Attribute | None = None
    lower: Lower | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A learner: the one entry of `LEARNERS` that everything else reads. Without a `method` it only transforms.

    `form` is how features enter: `linear` scaled numbers and categories by index, `trees` numbers as they are and
    categories by index; where the option named `scaled_by` is false, numbers enter unscaled. `branched` is the method
    where encoders read some of the features. `library` is what fits, and the facts name its version; predicting never
    imports it.
    """

    task: Task
    form: Form
    options: Mapping[str, Option]
    library: str | None
    method: Method | None
    branched: Method | None = None
    scaled_by: str | None = None
