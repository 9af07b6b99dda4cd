"""`ps.fit`: one step for a model; for a cascade the steps of its training."""

from __future__ import annotations

from typing import Any

from penstock import components
from penstock.cascades.training import train
from penstock.cascades.value import Cascade
from penstock.errors import DeclarationError
from penstock.pipelines import PipelineFunction, StepFunction, pipeline


class Fit(StepFunction):
    """The component `fit`, which takes cascades too: in a pipeline their steps are named `distance.fit_is_long`."""

    def __call__(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Learn a model or a cascade from rows and return its graph."""
        if not isinstance(model, Cascade):
            return super().__call__(model, *args, **kwargs)
        if self.settings != components.fit.settings:
            raise DeclarationError(
                f"ps.fit.configured(...) is of one step, and cascade '{model.name}' is trained by several; call ps.fit "
                "as it is, and say what its pipeline needs with @ps.pipeline(image=...) or in [engine]"
            )
        return trained(model)(*args, **kwargs)


def trained(cascade: Cascade) -> PipelineFunction:
    """Return the pipeline from rows to the graph of a cascade."""

    @pipeline(name=cascade.name)
    def steps(rows: Any) -> Any:
        return train(cascade, rows)

    return steps


fit = Fit(components.fit.function, components.fit.settings, components.fit)
