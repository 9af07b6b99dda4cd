"""The stages of a cascade as answers: one of them by its name, and where to ask for what the whole does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from penstock.core.graph import ModelGraph
from penstock.errors import DataError, UnknownNameError
from penstock.models.routing.routes import is_routed, routing_of


def stage_of(graph: ModelGraph, path: str) -> ModelGraph:
    """Return the graph of a stage, the router among them; one of a cascade within by its path, `inner/rare`."""
    found, at = graph, ""
    for name in path.split("/"):
        if not is_routed(found):
            what = f"stage '{at}' of '{graph.name}'" if at else f"model '{graph.name}'"
            raise DataError(f"{what} is no cascade; it has no stage '{name}'")
        stages = routing_of(found).stages
        if name not in stages:
            raise UnknownNameError("stage", name, stages, within=f"the cascade '{at or graph.name}'")
        found, at = stages[name], f"{at}/{name}" if at else name
    return found


def check_generation(graph: ModelGraph) -> None:
    """Raise `ConflictError` for a cascade with a stage that is not the one that it was put together with."""
    if is_routed(graph):
        for stage in routing_of(graph).stages.values():
            check_generation(stage)


def check_no_cascade(graph: ModelGraph, what: str, has: Callable[[ModelGraph], bool] = lambda stage: True) -> None:
    """Raise `DataError` for a cascade asked for what only stages have, naming those that have it and how to ask one."""
    if not is_routed(graph):
        return
    found = [path for path, stage in stages_within(graph) if has(stage)]
    if not found:
        raise DataError(f"cascade '{graph.name}' has no {what}, and none of its stages has")
    raise DataError(
        f"cascade '{graph.name}' has no {what} of its own; ask a stage of it ({', '.join(found)}): "
        f"STRUCT('{found[-1]}' AS stage) in SQL, graph.stage('{found[-1]}') in Python"
    )


def stages_within(graph: ModelGraph) -> Iterator[tuple[str, ModelGraph]]:
    """Yield the models of a cascade by their paths, those of cascades within among them."""
    for name, stage in routing_of(graph).stages.items():
        if is_routed(stage):
            yield from ((f"{name}/{path}", inner) for path, inner in stages_within(stage))
        else:
            yield name, stage


def check_stages(graph: ModelGraph) -> None:
    """Raise `DataError` where a graph that is no cascade is asked for its stages."""
    if not is_routed(graph):
        raise DataError(f"model '{graph.name}' is no cascade, so it has no stages; leave stages out")
