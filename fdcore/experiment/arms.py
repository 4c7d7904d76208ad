"""An arm of a profile as it is trained: its method and steps, with the settings of its own."""

from __future__ import annotations

from typing import NamedTuple

from fdcore.profile import Profile


class Arm(NamedTuple):
    profile: Profile  # with the arm's settings
    method: str  # fd, grpo or rft
    steps: int
    start: int = 0  # the step of `after` that it starts from; 0: the base
    after: str | None = None  # the arm whose weights it starts from


def arm_of(profile: Profile, name: str) -> Arm:
    """The arm of that name. ValueError names those that there are."""
    arm = profile.arm(name)
    varied = profile.varied(arm.settings)
    if arm.start is None:
        return Arm(varied, arm.method, arm.steps)
    return Arm(varied, arm.method, arm.steps, arm.start.step, arm.start.arm)
