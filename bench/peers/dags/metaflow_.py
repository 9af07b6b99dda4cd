"""Metaflow: a flow class, written for the size asked for, then run; the second run is its `resume` of the last step."""

import subprocess
import sys
from pathlib import Path

shape, count = sys.argv[1], int(sys.argv[2])
head = "from metaflow import FlowSpec, step\nfrom tick import tick\n\n\nclass Flow(FlowSpec):\n"
if shape == "wide":
    body = f"""    @step
    def start(self):
        tick()
        self.branches = list(range({count - 2}))
        self.next(self.inc, foreach="branches")

    @step
    def inc(self):
        tick()
        self.value = self.input + 1
        self.next(self.end_all)

    @step
    def end_all(self, inputs):
        tick()
        self.value = sum(one.value for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""
else:
    names = ["start", *(f"s{number}" for number in range(1, count - 1)), "end"]
    parts = []
    for name, following in zip(names, [*names[1:], ""], strict=True):
        step = f"    @step\n    def {name}(self):\n        tick()\n        self.value = getattr(self, 'value', 0) + 1\n"
        parts.append(step + (f"        self.next(self.{following})\n" if following else ""))
    body = "\n".join(parts)
Path("generated.py").write_text(f"{head}{body}\n\nif __name__ == '__main__':\n    Flow()\n")
again = Path("ran").exists()
Path("ran").touch()
how = ["resume", "end"] if again else ["run", "--max-workers", "2", "--max-num-splits", str(count + 1)]
sys.exit(subprocess.run([sys.executable, "generated.py", "--quiet", *how]).returncode)
