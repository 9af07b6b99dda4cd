"""The component that says what rows look like: schema."""

from __future__ import annotations

from typing import Any

from penstock import transforms
from penstock.pipelines import step


@step(modes={"train"})
def schema(
    statistics: dict[str, Any],
    reviewed: dict[str, dict[str, Any]] | None = None,
    *,
    label: str | list[str] | None = None,
    rules: list[Any] | None = None,
) -> dict[str, Any]:
    """Infer what rows of this kind look like: types, which columns may be NULL, domains of small categories, ranges.

        ps.schema(ps.statistics(rows), reviewed={"dep_delay": {"max": 1000}}, label="arr_delay")

    `reviewed` is what a person knows better: column -> `type`, `nullable`, `domain`, `min`, `max`, `finite`,
    `max_nulls`, `min_length`, `max_length`, `matches`, `unique`, `modes`. A `label` is there in mode train only.
    `rules` are held to wherever the schema is (`ps.rule`). A run that infers has the schema of the run that was
    promoted.
    """
    inferred = transforms.reviewed_schema(transforms.infer_schema(statistics), reviewed or {}, label=label)
    return {**inferred, "rules": transforms.rules_of(rules)} if rules else inferred
