"""The component that says what rows look like, and holds it in a file that people review: schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import transforms
from penstock.core.ports import Context
from penstock.errors import DeclarationError
from penstock.pipelines import note_file, step
from penstock.transforms import read_schema, schema_changes, widened, write_schema


@step(modes={"train"})
def schema(
    statistics: dict[str, Any],
    reviewed: dict[str, dict[str, Any]] | None = None,
    *,
    label: str | list[str] | None = None,
    rules: list[Any] | None = None,
    file: str | None = None,
    evolve: bool = False,
    context: Context | None = None,
) -> dict[str, Any]:
    """Infer what rows of this kind look like: types, which columns may be NULL, domains of small categories, ranges.

        ps.schema(ps.statistics(rows), reviewed={"dep_delay": {"max": 1000}}, label="arr_delay")

    `reviewed` is what a person knows better: column -> `type`, `nullable`, `domain`, `min`, `max`, `finite`,
    `max_nulls`, `min_length`, `max_length`, `matches`, `unique`, `modes`. A `label` is there in mode train only.
    `rules` are held to wherever the schema is (`ps.rule`). A run that infers has the schema of the run that was
    promoted.

    `file` ("schemas/flights.json", from the project's folder) is written the first time, for people to review and to
    commit; from then on it says all, and how the rows differ is printed, as is what `reviewed`, `label` and `rules` say
    and the file does not. `evolve=True` widens it on purpose.
    """
    inferred = transforms.reviewed_schema(transforms.infer_schema(statistics), reviewed or {}, label=label)
    if rules:
        inferred["rules"] = transforms.rules_of(rules)
    if file is None:
        if evolve:
            raise DeclarationError("schema(evolve=True) widens a schema in a file; say which: file='schemas/rows.json'")
        return inferred
    path = Path(context.root if context is not None else ".") / file
    held = _held(path, inferred, statistics, evolve)
    note_file(path)
    for change in schema_changes(held, _asked(held, inferred, reviewed or {}, label)):
        print(f"{path.name} says all, and this, which the code asks for, not: {change}; write it there, or take it out")
    return held


def _asked(
    held: dict[str, Any],
    inferred: dict[str, Any],
    reviewed: dict[str, dict[str, Any]],
    label: str | list[str] | None,
) -> dict[str, Any]:
    """Return the schema of a file with what the code says of its columns, and the rules there."""
    there = {column["name"] for column in held["columns"]}
    known = {name: each for name, each in reviewed.items() if name in there}
    labels = [name for name in ([label] if isinstance(label, str) else label or ()) if name in there]
    asked = transforms.reviewed_schema(held, known, label=labels)
    rules = [rule for rule in inferred.get("rules", ()) if rule not in held.get("rules", ())]
    return {**asked, "rules": [*held.get("rules", ()), *rules]}


def _held(path: Path, inferred: dict[str, Any], statistics: dict[str, Any], evolve: bool) -> dict[str, Any]:
    if not path.exists():
        write_schema(inferred, path)
        print(f"wrote {path.name}: review it, and commit it")
        return inferred
    held = read_schema(path)
    wider = widened(held, statistics)
    changes = schema_changes(held, wider)
    for change in changes:
        print(change)
    if not evolve or not changes:
        return held
    write_schema(wider, path)
    print(f"widened {path.name}")
    return wider
