"""The component that promotes a model graph, if every blessing wired to it is given: push."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock import models
from penstock.core.artifact import Artifact
from penstock.core.ports import Context, MetadataStore
from penstock.core.run import ModelVersion
from penstock.errors import ConflictError, DataError, UnknownNameError
from penstock.pipelines import decline, note, step
from penstock.stores import open_metadata


@step(modes={"train"})
def push(
    graph: Artifact,
    *,
    name: str,
    alias: str | None = "champion",
    report: dict[str, float | None] | None = None,
    blessings: dict[str, Any] | list[Any] | tuple[Any, ...] | None = (),
    context: Context,
) -> dict[str, Any]:
    """Register a model graph as a version of `name` and point `alias` at it; the server follows within a second.

    With `blessings` (what `ps.bless`, `ps.infra_validate` and `ps.approve` give, one or a list) it is pushed only if
    each of them is there and given: otherwise nothing is registered, nothing moves, and the step is recorded as
    skipped, with what did not pass. So it is where the baseline it was compared with is another one by now, and where a
    person has taken the alias away from this very graph. The same graph again is the same version; with `alias=None` it
    is registered and nothing points at it. `report` is kept with the version; `when=` decides whether it is pushed at
    all. It is up to date while the alias stays there.
    """
    given = wired(blessings)
    if why := why_not(given, graph.digest, name):
        decline(f"not pushed: {why}")
    metadata = open_metadata(context.metadata)
    before = None if alias is None else _unhindered(metadata, name, alias, graph.digest, given)
    lineage: dict[str, Any] = {"run": context.run, "step": context.step, "graph": graph.made_by}
    if graph.facts.get("features"):
        lineage["features"] = graph.facts["features"]
    if given:
        lineage["blessings"] = [_told(each) for each in given]
    version = models.register(metadata, name, graph, metrics=report or _metrics(given), lineage=lineage)
    if alias is not None:
        said = "; ".join([f"pushed by run {context.run}", *map(_summary, given)])
        try:
            models.set_alias(metadata, name, alias, version.version, reason=said, after=before)
        except ConflictError as error:
            decline(f"not pushed: {error}")
        note(f"alias:{name}@{alias}", str(version.version))
    return {"model": name, "version": version.version, "alias": alias, "digest": graph.digest}


def wired(blessings: Any) -> list[Any]:
    """Return the blessings that are wired: one may be given by itself, and is then missing where it is None."""
    return list(blessings) if isinstance(blessings, list | tuple) else [blessings]


def _unhindered(metadata: MetadataStore, name: str, alias: str, digest: str, blessings: Sequence[Any]) -> int:
    """Return the number of the alias's newest change (0: none), by which nothing speaks against moving it; else the
    step ends here."""
    changes = models.alias_history(metadata, name, alias)
    known = metadata.find(ModelVersion, model=name, digest=digest)
    number = known[0].version if known else 0
    if (change := models.taken_back(changes, number)) is not None:
        decline(
            f"not pushed: a person has taken '{name}@{alias}' away from version {number}, which is this graph "
            f"({change.reason}); point it there again by hand: penstock models promote {name} {number}"
        )
    for each in blessings:
        _still_compared(metadata, each, digest)
    return changes[-1].sequence if changes else 0


def _still_compared(metadata: MetadataStore, blessing: Mapping[str, Any], digest: str) -> None:
    """End the step where the name of the baseline stands for another graph than the one that was compared with."""
    reference = blessing.get("baseline_name")
    if not reference:
        return
    try:
        now = models.resolve_version(metadata, reference)
    except UnknownNameError:
        return
    if now.digest not in (blessing["baseline"], digest):
        decline(
            f"not pushed: it was compared with what '{reference}' stood for then, which is version {now.version} by "
            "now; run again, and it is compared with that"
        )


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


def _summary(blessing: Mapping[str, Any]) -> str:
    """Return a blessing as the history of an alias tells it: of a person all that is said, else how many checks."""
    kind, checks = blessing.get("kind", "blessing"), blessing.get("checks", ())
    if kind == "approval":
        return "; ".join(each["why"] for each in checks)
    return f"{kind}: {len(checks)} {'check' if len(checks) == 1 else 'checks'} passed"


def _metrics(blessings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metrics that a blessing was given by: those of the version where nobody gives a report."""
    found: list[dict[str, Any]] = [each["metrics"] for each in blessings if each.get("kind") == "evaluation"]
    return found[0] if found else {}
