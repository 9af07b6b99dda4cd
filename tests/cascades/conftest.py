"""Tests of cascades share the rows and models of `cascade_worlds.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
