"""The search as a script: `python -m bench.searches.by_hand monolith|shared TRIALS`.

A monolith does in each trial what a run of the pipeline does; `shared` prepares once and keeps that in memory, and so
does the least that there is to do.
"""

from __future__ import annotations

import sys

import optuna

from bench.searches import work


def main(how: str, trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    rows = work.prepare() if how == "shared" else []
    for _ in range(trials):
        trial = study.ask()
        depth, rate = trial.suggest_int("depth", 2, 12), trial.suggest_float("rate", 0.01, 0.3, log=True)
        study.tell(trial, work.fit(rows if how == "shared" else work.prepare(), depth, rate))
    print(study.best_value)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
