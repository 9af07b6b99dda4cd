"""The component that promotes a model graph, if every blessing wired to it is given: push."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock import models
from penstock.core.artifact import Artifact
from penstock.core.ports import Context
from penstock.errors import DataError
from penstock.pipelines import decline, note, step
from penstock.stores import open_metadata


@step(modes={"train"})
def push(
    graph: Artifact,
    *,
    name: str,
    alias: str | None = "champion",
    report: dict[str, float | None] | None = None,
    blessings: list[Any] | None = None,
    context: Context,
) -> dict[str, Any]:
    """Register a model graph as a version of `name` and point `alias` at it; the server follows within a second.

    With `blessings` (what `ps.bless`, `ps.infra_validate` and `ps.approve` give) it is pushed only if each of them is
    there and given: otherwise nothing is registered, nothing moves, and the step is recorded as skipped, with what did
    not pass. The same graph again is the same version; with `alias=None` it is registered and nothing points at it.
    `report` is kept with the version; `when=` decides whether it is pushed at all. It is up to date while the alias
    stays there.
    """
    if why := why_not(blessings or (), graph.digest, name):
        decline(f"not pushed: {why}")
    metadata = open_metadata(context.metadata)
    lineage: dict[str, Any] = {"run": context.run, "step": context.step, "graph": graph.made_by}
    if graph.facts.get("features"):
        lineage["features"] = graph.facts["features"]
    if blessings:
        lineage["blessings"] = [_told(each) for each in blessings]
    version = models.register(metadata, name, graph, metrics=report or _metrics(blessings), lineage=lineage)
    if alias is not None:
        models.set_alias(metadata, name, alias, version.version, reason=f"pushed by run {context.run}")
        note(f"alias:{name}@{alias}", str(version.version))
    return {"model": name, "version": version.version, "alias": alias, "digest": graph.digest}


def why_not(blessings: Sequence[Any], digest: str, model: str) -> str:
    """Return why a graph of this digest is not blessed; "" where all of its blessings are given.

    Raises `DataError` for one that is no blessing, or of another graph.
    """
    return "; ".join(_lacking(blessings, digest, model))


def _lacking(blessings: Sequence[Any], digest: str, model: str) -> Iterator[str]:
    for number, each in enumerate(blessings):
        if each is None:
            yield f"blessing {number + 1} of {len(blessings)} is missing: the step that gives it was skipped"
            continue
        if not isinstance(each, Mapping) or not isinstance(each.get("blessed"), bool) or "graph" not in each:
            raise DataError(
                f"blessing {number + 1} of model '{model}' is none: a blessing is what ps.bless, ps.infra_validate or "
                "ps.approve gives, with 'blessed' and 'graph'",
                field="blessings",
            )
        if each["graph"] != digest:
            raise DataError(
                f"blessing {number + 1} ({each.get('kind', 'of no kind')}) of model '{model}' is of another graph "
                f"({each['graph'][:12]}, not {digest[:12]}); wire the blessing of the graph that is used",
                field="blessings",
            )
        if not each["blessed"]:
            failed = [check["why"] for check in each.get("checks", ()) if not check["passed"]]
            yield "; ".join(failed) or f"its {each.get('kind', '')} blessing is not given"


def _told(blessing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a version keeps of a blessing: of which kind it is, and what was checked."""
    return {"kind": blessing.get("kind", ""), "checks": [check["why"] for check in blessing.get("checks", ())]}


def _metrics(blessings: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """Return the metrics that a blessing was given by: those of the version where nobody gives a report."""
    found: list[dict[str, Any]] = [each["metrics"] for each in blessings or () if each.get("kind") == "evaluation"]
    return found[0] if found else {}
