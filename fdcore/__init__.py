"""fdcore: Feedback Distillation for Lean 4 theorem proving (arXiv 2605.30861).

The names below are what the paper is about. Each is imported when it is first asked for, so that
`import fdcore` costs nothing and changes nothing in the process:

    from fdcore import EMATeacher, Verifier, group_advantages, load_profile, token_kl
"""

import importlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent

_PLACES = {
    "token_kl": "fdcore.training.distillation",
    "EMATeacher": "fdcore.training.teacher",
    "group_advantages": "fdcore.training.grpo",
    "policy_loss": "fdcore.training.grpo",
    "Trainer": "fdcore.training.loop",
    "pass_at_k": "fdcore.figures.statistics",
    "Verifier": "fdcore.lean.verifier",
    "Problem": "fdcore.records",
    "Verdict": "fdcore.records",
    "Trajectory": "fdcore.records",
    "Tools": "fdcore.rollout.tools",
    "load_profile": "fdcore.profile",
}
__all__ = ["PACKAGE", "REPOSITORY", *_PLACES]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'fdcore' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
