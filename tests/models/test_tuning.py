"""Tuning: several trials of one prepared lesson, the same each time, the best of which is the model."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError, MissingExtraError, UnknownNameError
from penstock.models.fitting.trials import check_trial, trial_info
from penstock.models.learning.learners import LEARNERS
from penstock.tables import connection, query

SPACES = {"learn_rate": ps.hparam_range(0.01, 0.5), "max_tree_depth": ps.hparam_candidates([3, 6])}


@pytest.fixture(scope="module")
def tuned(declare, flights):
    return models.fit(declare("boosted_tree_regressor", options={**SPACES, "num_trials": 6}), flights)


def told(graph):
    return graph.facts["tuning"]["trials"]


def chosen(graph):
    return [tuple(trial["hyperparameters"].values()) for trial in told(graph)]


def best(graph):
    [trial] = [trial for trial in told(graph) if trial["is_optimal"]]
    return trial


def test_the_graph_is_that_of_the_trial_with_the_best_objective(tuned, declare, flights):
    assert [trial["trial_id"] for trial in told(tuned)] == [1, 2, 3, 4, 5, 6]
    assert best(tuned)["evaluation"]["r2_score"] == max(trial["evaluation"]["r2_score"] for trial in told(tuned))
    split = {"data_split_method": "RANDOM", "data_split_eval_fraction": 0.1, "data_split_test_fraction": 0.1}
    alone = models.fit(declare("boosted_tree_regressor", options={**best(tuned)["hyperparameters"], **split}), flights)
    assert tuned.blobs == alone.blobs
    assert tuned.nodes == alone.nodes


def test_trials_are_judged_on_the_rows_held_out_and_the_model_on_those_to_test(tuned, declare, flights):
    assert tuned.facts["rows"] == {"train": 320, "held_out": 40, "test": 40, "without_label": 0}
    assert tuned.facts["evaluated_on"] == "test"
    assert tuned.facts["evaluation"] == best(tuned)["test_evaluation"] != best(tuned)["evaluation"]
    options = {
        **best(tuned)["hyperparameters"], "data_split_method": "RANDOM", "data_split_eval_fraction": 0.1,
        "data_split_test_fraction": 0.1,
    }  # fmt: skip
    alone = models.fit(declare("boosted_tree_regressor", options=options), flights)
    assert alone.facts["evaluation"] == best(tuned)["evaluation"]
    assert alone.facts["learner"]["training"][-1]["eval_loss"] == best(tuned)["eval_loss"]


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_same_rows_and_options_give_the_same_trials_and_bytes(declare, flights, at_once):
    model = declare("boosted_tree_regressor", options={**SPACES, "num_trials": 6, "max_parallel_trials": at_once})
    assert models.to_files(models.fit(model, flights)) == models.to_files(models.fit(model, flights))


def test_trials_that_run_at_a_time_learn_what_they_learn_alone(declare, flights):
    graph = models.fit(
        declare("boosted_tree_regressor", options={**SPACES, "num_trials": 5, "max_parallel_trials": 5}), flights
    )
    split = {"data_split_method": "RANDOM", "data_split_eval_fraction": 0.1, "data_split_test_fraction": 0.1}
    for trial in told(graph):
        alone = models.fit(declare("boosted_tree_regressor", options={**trial["hyperparameters"], **split}), flights)
        assert alone.facts["evaluation"] == trial["evaluation"]


def test_features_are_prepared_once_however_many_trials_there_are(declare, flights, monkeypatch):
    scans = []

    class Counted:
        def __init__(self, cursor):
            self.cursor = cursor

        def __enter__(self):
            self.cursor.__enter__()
            return self

        def __exit__(self, *error):
            return self.cursor.__exit__(*error)

        def register(self, name, rows):
            scans.append(name)
            return self.cursor.register(name, rows)

        def __getattr__(self, name):
            return getattr(self.cursor, name)

    class Counting:
        def __init__(self, threads):
            self.threads = threads

        def cursor(self):
            return Counted(connection(threads=self.threads).cursor())

    monkeypatch.setattr(sys.modules["penstock.tables.query"], "connection", lambda *, threads=None: Counting(threads))
    features = {"scaled": ps.col("distance").standard_scaler(), "carrier": ps.col("carrier")}
    counts = []
    for trials in (1, 7):
        scans.clear()
        options = {**SPACES, "num_trials": trials}
        models.fit(declare("boosted_tree_regressor", features=features, options=options), flights)
        counts.append(len(scans))
    assert counts[0] == counts[1] > 0


def test_a_search_begins_at_the_defaults_or_what_is_nearest(tuned, declare, flights):
    assert chosen(tuned)[0] == (0.3, 6)
    options = {"learn_rate": ps.hparam_range(0.4, 0.5), "max_tree_depth": ps.hparam_candidates([2, 9]), "num_trials": 1}
    assert chosen(models.fit(declare("boosted_tree_regressor", options=options), flights)) == [(0.4, 9)]


def test_a_grid_has_every_combination_once_and_ends_with_it(declare, flights):
    spaces = {"booster_type": ps.hparam_candidates(["gbtree", "DART"]), "max_tree_depth": ps.hparam_range(2, 4)}
    options = {**spaces, "num_trials": 50, "hparam_tuning_algorithm": "grid_search"}
    graph = models.fit(declare("boosted_tree_regressor", options=options), flights)
    assert chosen(graph) == [(booster, depth) for booster in ("GBTREE", "DART") for depth in (2, 3, 4)]
    some = models.fit(declare("boosted_tree_regressor", options={**options, "num_trials": 4}), flights)
    assert len({*chosen(some)} & {*chosen(graph)}) == 4
    assert chosen(some) != chosen(graph)[:4]


@pytest.mark.parametrize("algorithm", ["VIZIER_DEFAULT", "RANDOM_SEARCH"])
def test_no_combination_is_tried_twice(declare, flights, algorithm):
    options = {"max_tree_depth": ps.hparam_range(2, 7), "num_trials": 20, "hparam_tuning_algorithm": algorithm}
    graph = models.fit(declare("boosted_tree_regressor", options=options), flights)
    assert sorted(chosen(graph)) == [(2,), (3,), (4,), (5,), (6,), (7,)]


def test_the_search_goes_where_it_is_good(declare, flights):
    options = {"learn_rate": ps.hparam_range(0.0001, 0.5), "num_trials": 20, "max_iterations": 10}
    graph = models.fit(declare("boosted_tree_regressor", options=options), flights)
    rates = [rate for (rate,) in chosen(graph)]
    assert np.mean(rates[10:]) > 0.25  # of ten trees, those that learn fast are the better


def test_num_trials_alone_tunes_what_is_usual_and_what_is_set_stays():
    alone = ps.model("m", type="boosted_tree_regressor", label="y", options={"num_trials": 3, "learn_rate": 0.3})
    assert sorted(alone.options) == ["l1_reg", "l2_reg", "max_tree_depth", "num_trials", "subsample"]
    assert alone.options["max_tree_depth"] == ps.hparam_range(1, 10)


@pytest.mark.parametrize("type", [type for type, learner in LEARNERS.items() if "num_trials" in learner.options])
def test_every_type_that_can_be_tuned_is_by_num_trials_alone(declare, flights, type, need):
    need(type)
    small = {"hidden_units": [4], "max_iterations": 3} if type.startswith("dnn") else {}
    graph = models.fit(declare(type, options={**small, "num_trials": 3}), flights)
    assert [trial["status"] for trial in told(graph)] == ["SUCCEEDED"] * 3
    assert graph.declaration() == declare(type, options={**small, "num_trials": 3})
    assert graph.facts["disagreements"] == []
    assert trial_info(graph).num_rows == 3


def test_a_lower_loss_is_better(declare, flights):
    options = {**SPACES, "num_trials": 5, "hparam_tuning_objectives": ["MEAN_ABSOLUTE_ERROR"]}
    graph = models.fit(declare("boosted_tree_regressor", options=options), flights)
    errors = [trial["evaluation"]["mean_absolute_error"] for trial in told(graph)]
    assert best(graph)["evaluation"]["mean_absolute_error"] == min(errors) < max(errors)


@pytest.fixture
def failing(monkeypatch):
    """Trees whose fit raises an error for some depths."""

    def fail(errors):
        learner = LEARNERS["boosted_tree_regressor"]
        fit = learner.method.fit

        def failing(lesson):
            error = errors.get(lesson.options["max_tree_depth"])
            if error is not None:
                raise error
            return fit(lesson)

        method = dataclasses.replace(learner.method, fit=failing)
        monkeypatch.setitem(LEARNERS, "boosted_tree_regressor", dataclasses.replace(learner, method=method))

    return fail


GRID = {"num_trials": 3, "hparam_tuning_algorithm": "GRID_SEARCH", "max_tree_depth": ps.hparam_candidates([2, 3, 4])}


def test_a_trial_that_fails_does_not_end_the_others(declare, flights, failing):
    failing({2: DeclarationError("not so"), 4: ArithmeticError("singular")})
    graph = models.fit(declare("boosted_tree_regressor", options=GRID), flights)
    ends = [(trial["status"], trial["error_message"], trial["is_optimal"]) for trial in told(graph)]
    assert ends == [
        ("INFEASIBLE", "not so", False), ("SUCCEEDED", None, True), ("FAILED", "ArithmeticError: singular", False)
    ]  # fmt: skip
    assert [row["training_loss"] is None for row in trial_info(graph).to_pylist()] == [True, False, True]


def test_where_all_fail_the_first_is_named(declare, flights, failing):
    failing({depth: ArithmeticError(f"depth {depth}") for depth in (2, 3, 4)})
    with pytest.raises(DataError, match=r"all 3 trials failed; the first, with max_tree_depth=2: Arith.*: depth 2"):
        models.fit(declare("boosted_tree_regressor", options=GRID), flights)


def test_an_objective_without_a_value_fails_its_trial(declare, flights):
    options = {**GRID, "hparam_tuning_objectives": ["mean_squared_log_error"]}
    with pytest.raises(DataError, match="mean_squared_log_error has no value on the rows to judge by"):
        models.fit(declare("boosted_tree_regressor", options=options), flights)


def test_only_the_optimal_trial_is_kept_and_the_error_says_how_to_get_another(tuned):
    optimal = best(tuned)["trial_id"]
    check_trial(tuned, optimal)
    other = next(trial for trial in told(tuned) if trial["trial_id"] != optimal)
    rate, depth = other["hyperparameters"].values()
    with pytest.raises(
        DataError, match=f"only the optimal one, {optimal}, .*learn_rate={rate}, max_tree_depth={depth}"
    ):
        check_trial(tuned, other["trial_id"])
    with pytest.raises(UnknownNameError, match="no trial named '7'"):
        check_trial(tuned, 7)


def test_a_tuned_model_is_the_same_after_it_was_saved(tuned, tmp_path):
    loaded = models.load_model(tuned.save(tmp_path / "tuned"))
    assert trial_info(loaded) == trial_info(tuned)
    assert loaded.declaration() == tuned.declaration()


def test_trials_are_a_table_that_queries_read(tuned):
    table = trial_info(tuned)
    found = query("SELECT max(hparam_tuning_evaluation_metrics.r2_score) AS best FROM t WHERE is_optimal", t=table)
    assert found["best"][0].as_py() == best(tuned)["evaluation"]["r2_score"]


@pytest.mark.parametrize(
    ("type", "options", "said"),
    [
        ("linear_reg", {"l2_reg": ps.hparam_range(0, 1)}, "l2_reg is of a tuning; say how many trials"),
        ("linear_reg", {"max_parallel_trials": 2}, "max_parallel_trials is of a tuning"),
        ("linear_reg", {"fit_intercept": ps.hparam_candidates([True]), "num_trials": 2}, "these can: l1_reg, l2_reg"),
        ("linear_reg", {"l2_reg": ps.hparam_range(-1, 1), "num_trials": 2}, "l2_reg=-1; it takes a number of 0"),
        ("linear_reg", {"l1_reg": 1.0, "l2_reg": 1.0, "num_trials": 2}, "num_trials without anything to tune"),
        ("linear_reg", {"num_trials": 101}, "num_trials=101; it takes a whole number from 1 to 100"),
        (
            "linear_reg",
            {"num_trials": 2, "hparam_tuning_objectives": ["roc_auc"]},
            "it takes one of r2_score, explained_variance",
        ),
        ("boosted_tree_regressor", {"max_tree_depth": ps.hparam_range(1.5, 3), "num_trials": 2}, "max_tree_depth=1.5"),
        ("boosted_tree_regressor", {"booster_type": ps.hparam_range(1, 3), "num_trials": 2}, "has no range"),
        (
            "boosted_tree_regressor",
            {"learn_rate": ps.hparam_range(0.1, 1), "num_trials": 2, "hparam_tuning_algorithm": "GRID_SEARCH"},
            "learn_rate is any number of a range; give hparam_candidates",
        ),
    ],
)
def test_what_cannot_be_tuned_is_said_where_it_is_declared(type, options, said):
    with pytest.raises(DeclarationError) as caught:
        ps.model("m", type=type, label="y", options=options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ps.hparam_range(2, 1),
        lambda: ps.hparam_candidates([]),
        lambda: ps.hparam_candidates([1, 1]),
        lambda: ps.hparam_candidates("AB"),
    ],
)
def test_a_search_space_without_sense_is_an_error(wrong):
    with pytest.raises(DeclarationError, match="hparam_"):
        wrong()


def test_tuning_without_optuna_names_the_extra(declare, flights, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penstock\[tune\]'"):
        models.fit(declare("linear_reg", options={"num_trials": 2}), flights)


def test_a_range_goes_by_its_logarithm_or_by_steps(declare, flights):
    spaces = {"learn_rate": ps.hparam_range(0.01, 0.5, log=True), "max_tree_depth": ps.hparam_range(2, 8, step=3)}
    model = declare("boosted_tree_regressor", options={**spaces, "num_trials": 8, "max_iterations": 2})
    found = chosen(models.fit(model, flights))
    assert {depth for _, depth in found} <= {2, 5, 8}
    assert all(0.01 <= rate <= 0.5 for rate, _ in found)
    with pytest.raises(DeclarationError, match="HPARAM_RANGE of SQL has no log and no step"):
        model.sql(rows="flights")
    with pytest.raises(DeclarationError, match=r"max_tree_depth takes whole numbers, and its range goes by 0\.5"):
        declare("boosted_tree_regressor", options={"max_tree_depth": ps.hparam_range(2, 8, step=0.5), "num_trials": 2})


def test_a_grid_goes_through_the_steps_of_a_range(declare, flights):
    options = {
        "learn_rate": ps.hparam_range(0.1, 0.3, step=0.1), "num_trials": 9, "max_iterations": 2,
        "hparam_tuning_algorithm": "GRID_SEARCH",
    }  # fmt: skip
    found = chosen(models.fit(declare("boosted_tree_regressor", options=options), flights))
    assert sorted(rate for (rate,) in found) == [0.1, 0.2, 0.3]
