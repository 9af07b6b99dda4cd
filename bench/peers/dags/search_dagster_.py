"""Dagster, in process: an asset that is prepared where it is not there, and one that each trial makes anew."""

import os

from bench.searches import work
from dagster import AssetKey, Config, DagsterInstance, RunConfig, asset, materialize


class Parameters(Config):
    depth: int
    rate: float


@asset
def rows() -> list[float]:
    return work.prepare()


@asset
def trial(rows: list[float], config: Parameters) -> float:
    return work.fit(rows, config.depth, config.rate)


if __name__ == "__main__":
    os.makedirs(os.environ["DAGSTER_HOME"], exist_ok=True)
    instance = DagsterInstance.get()
    for depth, rate in work.points():
        made = instance.get_latest_materialization_event(AssetKey("rows"))
        chosen = [trial] if made is not None else [rows, trial]
        config = RunConfig(ops={"trial": Parameters(depth=depth, rate=rate)})
        assert materialize([rows, trial], selection=chosen, run_config=config, instance=instance).success
