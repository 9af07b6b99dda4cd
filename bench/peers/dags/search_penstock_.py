"""penstock: `penstock tune`, whose sampler draws by chance, as the others' parameters are."""

import sys
from pathlib import Path

from bench.searches import work

from penstock.cli import main

if __name__ == "__main__":
    Path("penstock.toml").write_text('[project]\nmodules = ["bench.searches.pipelines"]\n')
    sys.argv = ["penstock", "tune", "searched", "--search", "depth=int(2..12)", "rate=log(0.01..0.3)"]
    sys.argv += ["--metric", "fit.loss", "--trials", str(work.TRIALS), "--sampler", "random", "--no-figures", "-q"]
    main()
