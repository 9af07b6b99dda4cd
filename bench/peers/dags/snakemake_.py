"""Snakemake: rules over files, written for the size asked for; each step is a process that reads and writes one."""

import subprocess
import sys
from pathlib import Path

shape, count = sys.argv[1], int(sys.argv[2])
here = Path(__file__).parent
step = f'"{sys.executable}" -c "import sys; sys.path.insert(0, {str(here)!r}); from tick import tick; tick(); '
work = step + "open(sys.argv[1], 'w').write(str(1 + sum(int(open(path).read()) for path in sys.argv[2:])))\""
rules = [f"rule begin:\n    output: 'o/0'\n    shell: r'''{work} {{output}}'''"]
if shape == "wide":
    rules.append(f"rule inc:\n    input: 'o/0'\n    output: 'o/i{{n}}'\n    shell: r'''{work} {{output}} {{input}}'''")
    files = f"expand('o/i{{n}}', n=range({count - 2}))"
    rules.append(
        f"rule total:\n    input: {files}\n    output: 'o/last'\n    shell: r'''{work} {{output}} {{input}}'''"
    )
    last = "o/last"
else:
    rules.append(
        "rule inc:\n    input: lambda w: f'o/{int(w.n) - 1}'\n    output: 'o/{n,[1-9][0-9]*}'\n"
        f"    shell: r'''{work} {{output}} {{input}}'''"
    )
    last = f"o/{count - 1}"
Path("Snakefile").write_text("\n\n".join([f"rule all:\n    input: '{last}'", *rules]))
snakemake = Path(sys.executable).parent / "snakemake"
sys.exit(subprocess.run([snakemake, "-c2", "-q", "all", "--", "all"]).returncode)
