"""What there is to train in an experiment: its arms, and the variants of an arm that its ablations ask for. Read off the profile alone."""

from __future__ import annotations

from typing import NamedTuple

from fdcore.profile import Profile, slug


class Arm(NamedTuple):
    profile: Profile  # with the variant's settings
    method: str  # fd, grpo or rft
    steps: int
    start: int = 0  # the Feedback Distillation step that it starts from; 0: the base
    after: str | None = (
        None  # the Feedback Distillation arm whose checkpoint of that step it starts from
    )


def main_arms(profile: Profile) -> list[str]:
    return [
        "fd",
        "grpo",
        *(["rft"] if profile.rft else []),
        *(f"grpo_from_fd_{i}" for i in (1, 2, 3)),
    ]


def variants(profile: Profile, ablation: str) -> dict[str, str]:
    """Label -> arm of an ablation, the arm as the profile has it included. ValueError where there is none of that name."""
    try:
        found = profile.ablations[ablation]
    except KeyError:
        raise ValueError(
            f"profile {profile.name} has no ablation {ablation!r}; there are: {', '.join(profile.ablations) or 'none'}"
        ) from None
    main = {"fd": "fd", "grpo": "grpo_from_fd_3" if found.after else "grpo"}[found.arm]
    arms = {found.main: main} | {label: f"{ablation}/{slug(label)}" for label in found.variants}
    return {f"GRPO over {label}": arm for label, arm in arms.items()} if found.after else arms


def arm_of(profile: Profile, name: str) -> Arm:
    """The arm of that name, "grpo" or "ABLATION/VARIANT". ValueError names those that there are."""
    training = profile.training
    if name in main_arms(profile):
        number = name.rpartition("grpo_from_fd_")[2]
        start = training.fd_checkpoints[int(number) - 1] if number.isdigit() else 0
        over = training.grpo_steps - start if training.over_steps is None else training.over_steps
        method = "grpo" if start else name
        return Arm(
            profile,
            method,
            over if start else training.fd_steps if name == "fd" else training.grpo_steps,
            start,
            "fd" if start else None,
        )
    known = {
        f"{ablation}/{slug(label)}": (found, label)
        for ablation, found in profile.ablations.items()
        for label in found.variants
    }
    if name not in known:
        raise ValueError(f"no arm {name!r}; there are: {', '.join([*main_arms(profile), *known])}")
    ablation, label = known[name]
    varied = profile.varied(ablation.variants[label])
    steps = ablation.steps or (training.fd_steps if ablation.arm == "fd" else training.grpo_steps)
    if ablation.after is None:
        return Arm(varied, ablation.arm, steps)
    before = f"{ablation.after}/{slug(label)}"
    length = arm_of(profile, before).steps
    return Arm(
        varied,
        ablation.arm,
        steps,
        max((step for step in training.fd_checkpoints if step <= length), default=length),
        before,
    )
