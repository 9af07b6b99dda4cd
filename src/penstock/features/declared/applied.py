"""What applying gives back: a JSON Schema, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.feature import FeatureVersion
from penstock.features.declared.definition import needs_of
from penstock.features.declared.json_schema import DIALECT, nullable, of_type
from penstock.features.declared.on_demand import joined
from penstock.features.declared.references import Wanted
from penstock.features.declared.services import RegisteredService


class Applied(dict[str, Any]):
    """The JSON Schema of a feature set or a feature service, as `apply` returns it, and what came of it: `version`,
    whether it `is_new`, what changed (`changes`), and what users of the version before miss (`breaks`)."""

    def __init__(self, record: FeatureVersion, schema: Mapping[str, Any], *, is_new: bool) -> None:
        super().__init__(schema)
        self.kind = record.kind
        self.name = record.name
        self.version = record.version
        self.is_new = is_new
        self.changes = record.changes if is_new else ()
        self.breaks = record.breaks if is_new else ()

    @property
    def message(self) -> str:
        """One line for a person."""
        what = f"feature {self.kind} {self.name}"
        if not self.is_new:
            return f"{what}: nothing changed, it is version {self.version}"
        changed = "created" if self.version == 1 else "; ".join(self.changes)
        warning = f" (not compatible: {'; '.join(self.breaks)})" if self.breaks else ""
        return f"{what}: version {self.version}: {changed}{warning}"


def service_schema(registered: RegisteredService, wanted: Sequence[Wanted]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what a service answers: keys and values of the request, then its features. Of
    two features of one name each has its set's name in front."""
    service, version = registered.service, registered.record.version
    needs = joined(needs_of(each.registered.definition, each.feature) for each in wanted)
    given = {**needs.entities, **needs.requests}
    names = Counter(each.feature for each in wanted)
    features = {
        each.feature if names[each.feature] == 1 else each.column: nullable(
            of_type(each.registered.definition.types[each.feature])
        )
        for each in wanted
    }
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:penstock:feature-service:{service.name}:{version}",
        "title": service.name,
        "type": "object",
        "properties": {**{name: of_type(type) for name, type in given.items()}, **features},
        "required": [*given],
        "x-entities": list(needs.entities),
        "x-features": list(registered.features),
        "x-version": version,
    }
    optional = {
        "description": service.description,
        "x-owner": service.owner,
        "x-tags": dict(service.tags),
        "x-request": {name: of_type(type) for name, type in needs.requests.items()},
    }
    return schema | {key: value for key, value in optional.items() if value}
