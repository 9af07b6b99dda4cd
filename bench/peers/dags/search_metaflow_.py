"""Metaflow: one flow, whose trials are a foreach over parameters that are drawn before; whole each time."""

import subprocess
import sys
from pathlib import Path

FLOW = """from metaflow import FlowSpec, step
from bench.searches import work


class Search(FlowSpec):
    @step
    def start(self):
        self.rows = work.prepare()
        self.points = work.points()
        self.next(self.trial, foreach="points")

    @step
    def trial(self):
        self.loss = work.fit(self.rows, *self.input)
        self.next(self.best)

    @step
    def best(self, inputs):
        self.loss = min(one.loss for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Search()
"""

Path("generated.py").write_text(FLOW)
sys.exit(subprocess.run([sys.executable, "generated.py", "--quiet", "run", "--max-workers", "1"]).returncode)
