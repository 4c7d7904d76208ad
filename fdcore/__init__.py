"""fdcore: Feedback Distillation for Lean 4 theorem proving, in a handful of one-idea files.

Formulas: `distillation`, `grpo`. World: `toolchain`, `verifier`, `tools`, `problems`. Loop: `episodes`, `training`.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # before torch loads OpenMP: spinning threads starve each other where cores are shared
