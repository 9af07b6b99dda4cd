"""An engine that several runs use at once: each gets the outcomes of its own tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock.core.ports import Engine
from penstock.engines import InlineEngine, LocalEngine
from penstock.errors import RunError
from penstock.pipelines import SharedEngine
from penstock.testing import EngineContract
from penstock.testing.engine import divmod_

pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedEngine]:
    with SharedEngine(LocalEngine(slots=2, grace_seconds=0.3)) as shared:
        yield shared


class TestShareOfAnInlineEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with SharedEngine(InlineEngine()) as shared:
            yield shared.share()

    def test_what_breaks_the_engine_is_raised_where_its_outcomes_are_waited_for(self, task):
        class Broken(InlineEngine):
            def submit(self, task):
                raise RunError("the engine is broken")

        with SharedEngine(Broken()) as shared:
            engine = shared.share()
            engine.submit(task(divmod_, a=1, b=1))
            with pytest.raises(RunError, match="is broken"):
                engine.wait(10)


class TestShareOfALocalEngine(EngineContract):
    @pytest.fixture
    def engine(self, shared: SharedEngine) -> Engine:
        return shared.share()

    def test_each_run_gets_the_outcomes_of_its_own_tasks(self, shared, task):
        found: dict[str, set[str]] = {}

        def use(name: str) -> None:
            engine, outcomes = shared.share(), set()
            for number in range(3):
                engine.submit(task(divmod_, id=f"{name}{number}", a=7, b=2))
            while len(outcomes) < 3:
                outcomes |= {outcome.task for outcome in engine.wait(5)}
            found[name] = outcomes

        threads = [threading.Thread(target=use, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {name: {f"{name}{number}" for number in range(3)} for name in "abc"}
