"""What a whole pipeline rests on, as a digest that is known before anything runs: code, parameters, rows."""

from __future__ import annotations

from penstock.core.pipeline import Pipeline, Step, references
from penstock.pipelines.fingerprint import digest_of
from penstock.pipelines.keys import Keys
from penstock.pipelines.planning import new_judge
from penstock.pipelines.selection import Names, select
from penstock.pipelines.services import Services
from penstock.pipelines.validation import checked


def basis(pipeline: Pipeline, services: Services, *, until: Names = None, mode: str = "train") -> str:
    """Return a digest of all that decides what the chosen steps give, as far as no step has to run to know it: their
    code, what they are given, and the rows that they read. Equal digests: what was found out of such a run holds still.
    """
    pipeline = checked(pipeline)
    left_out = select(pipeline, until=until, mode=mode)
    keys = new_judge(pipeline, services).keys
    chosen = [step for step in pipeline.steps if not left_out[step.name]]
    return digest_of([(step.name, keys.settled(step).digest, _given(step, keys, services)) for step in chosen])


def _given(step: Step, keys: Keys, services: Services) -> list[tuple[str, str]]:
    found = sorted(keys.parameters(step).items())
    for name, value in step.inputs.items():
        if isinstance(value, str) and step.kinds.get(name) == "source":
            found.append((name, keys.source(value).digest))
        elif isinstance(value, str) and step.kinds.get(name) == "named":
            found.append((name, services.named(value).digest))
        found += [(name, f"{ref.step}.{ref.output}") for ref in references(value)]
    return found
