"""The benchmarks are no installed package: their tests find them beside `src`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench"))
