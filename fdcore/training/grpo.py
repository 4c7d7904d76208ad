"""GRPO's formulas: advantages within a group of attempts at one problem, the clipped policy loss, and the penalty to a reference.

Sources: GRPO (DeepSeekMath, arXiv 2402.03300, eq. 3 and 4), DAPO (arXiv 2503.14476: separate clip bounds, mean over all tokens,
soft punishment of over-long answers), Dr. GRPO (arXiv 2503.20783: no standard deviation, a constant length), PPO's clip (arXiv 1707.06347, eq. 7).

Left out on purpose: sampling, rewards and the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Normalization = Literal["token", "sequence", "constant"]
NO_SPREAD = 1e-6  # rewards of a group that differ by less are equal up to rounding


def group_advantages(
    rewards: Tensor | Sequence[float], group_ids: Tensor | Sequence[int], *, scale: bool
) -> Tensor:
    """How much better each attempt is than the mean of its group: (N,) rewards, (N,) group ids in any order -> (N,).

    With `scale` divided by the group's standard deviation (n − 1 in the denominator, as TRL and verl compute it, but exactly: TRL adds
    1e-4 to it; GRPO); without, as in Dr. GRPO. A group without spread gives zeros: it teaches nothing. Integer rewards become float32.
    ValueError: lengths differ, a reward is not finite, or a group has one member (its advantage would always be 0).

    >>> group_advantages([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [7, 7, 7, 7, 3, 3], scale=False)
    tensor([ 0.7500, -0.2500, -0.2500, -0.2500,  0.0000,  0.0000])
    >>> group_advantages([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [7, 7, 7, 7, 3, 3], scale=True)
    tensor([ 1.5000, -0.5000, -0.5000, -0.5000,  0.0000,  0.0000])
    """
    rewards, names, group, size = _groups(rewards, group_ids)
    if (size < 2).any():
        raise ValueError(
            f"group_advantages: group {names[size < 2][0].item()} has one attempt; GRPO compares attempts at one problem and needs at least two"
        )
    mean = torch.zeros_like(size).index_add_(0, group, rewards) / size
    centred = rewards - mean[group]
    if not scale:
        return centred
    spread = (torch.zeros_like(size).index_add_(0, group, centred**2) / (size - 1)).sqrt()[group]
    return torch.where(
        spread > NO_SPREAD, centred / spread.clamp_min(NO_SPREAD), torch.zeros_like(centred)
    )


def zero_spread_groups(rewards: Tensor | Sequence[float], group_ids: Tensor | Sequence[int]) -> int:
    """The number of groups whose attempts all earned the same, so that they give no gradient.

    >>> zero_spread_groups([1, 0, 1, 1], [0, 0, 1, 1])
    1
    """
    return int((_spread(rewards, group_ids)[0] < NO_SPREAD).sum())


def has_spread(rewards: Tensor | Sequence[float], group_ids: Tensor | Sequence[int]) -> Tensor:
    """For each attempt whether its group's attempts earned different rewards: (N,) booleans (DAPO, arXiv 2503.14476, eq. 11).

    >>> has_spread([1, 0, 1, 1], [0, 0, 1, 1])
    tensor([ True,  True, False, False])
    """
    spread, group = _spread(rewards, group_ids)
    return (spread >= NO_SPREAD)[group]


def overlong_punishment(lengths: Tensor | Sequence[int], *, limit: int, cache: int) -> Tensor:
    """What DAPO adds to the reward of a long answer (arXiv 2503.14476, eq. 13): (N,) lengths in tokens -> (N,), between −1 and 0.

    0 up to `limit` − `cache` tokens, then falling on a straight line to −1 at `limit`. ValueError: cache not in [1, limit].

    >>> overlong_punishment([60, 80, 90, 100], limit=100, cache=20)
    tensor([ 0.0000,  0.0000, -0.5000, -1.0000])
    """
    if not 1 <= cache <= limit:
        raise ValueError(
            f"overlong_punishment: cache must lie between 1 and the limit of {limit} tokens, got {cache}"
        )
    return ((limit - cache - torch.as_tensor(lengths).float()) / cache).clamp(-1, 0)


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    action_mask: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    normalization: Normalization = "token",
    length: int | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The clipped policy-gradient loss, a scalar to minimise.

    logprobs, old_logprobs: (B, T) log-probs in nats of the sampled tokens now and when they were sampled; advantages: (B,), one a
    sequence, or (B, T); action_mask: (B, T), nonzero on the student's tokens. With r = exp(new − old), a token's loss is
    −min(r A, clip(r, 1 − clip_low, 1 + clip_high) A), times its weight where (B, T) `weights` are given (`fdcore.training.importance`). The sum
    over tokens is divided

    - "token":     by the number of action tokens of the batch (DAPO, eq. 8),
    - "sequence":  within each sequence by its number of action tokens, then by B (GRPO, eq. 3),
    - "constant":  by B · `length` (Dr. GRPO, section 3.2); `length` is the limit on response tokens, by default T, the padded width.

    What stands where the mask is 0 is never read. ValueError: shapes differ, the mask is empty, a log-prob or advantage is not finite,
    a clip bound is negative.

    >>> now, old = torch.log(torch.tensor([[0.5, 0.9], [0.5, 0.5]])), torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
    >>> mask, advantages = torch.tensor([[1, 1], [1, 0]]), torch.tensor([1.0, -1.0])
    >>> policy_loss(now, old, advantages, mask, clip_low=0.2, clip_high=0.2)  # −(1 + 1.2 − 1) / 3: the ratio 1.8 is clipped
    tensor(-0.4000)
    >>> policy_loss(now, old, advantages, mask, clip_low=0.2, clip_high=0.2, normalization="sequence")  # −((1 + 1.2) / 2 − 1) / 2
    tensor(-0.0500)
    >>> policy_loss(now, old, advantages, mask, clip_low=0.2, clip_high=0.2, normalization="constant", length=4)  # −1.2 / (2 · 4)
    tensor(-0.1500)
    """
    if clip_low < 0 or clip_high < 0:
        raise ValueError(
            f"policy_loss: clip bounds must not be negative, got clip_low={clip_low}, clip_high={clip_high}"
        )
    mask, ratio, advantages = _ratio("policy_loss", logprobs, old_logprobs, advantages, action_mask)
    loss = -torch.minimum(ratio * advantages, ratio.clamp(1 - clip_low, 1 + clip_high) * advantages)
    if weights is not None:
        loss = loss * torch.where(mask, weights.to(loss), torch.zeros_like(loss))
    return average(loss, mask, normalization, length)


def clip_fraction(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    action_mask: Tensor,
    *,
    clip_low: float,
    clip_high: float,
) -> float:
    """The share of action tokens whose gradient the clip removes (shapes as in `policy_loss`).

    >>> now = torch.log(torch.tensor([[0.5, 0.9]])); old = torch.log(torch.tensor([[0.5, 0.5]]))
    >>> clip_fraction(now, old, torch.tensor([1.0]), torch.ones(1, 2), clip_low=0.2, clip_high=0.2)
    0.5
    """
    mask, ratio, advantages = _ratio(
        "clip_fraction", logprobs, old_logprobs, advantages, action_mask
    )
    clipped = torch.where(
        advantages > 0, ratio > 1 + clip_high, (ratio < 1 - clip_low) & (advantages < 0)
    )
    return clipped[mask].float().mean().item()


def reference_kl(
    logprobs: Tensor,
    reference_logprobs: Tensor,
    action_mask: Tensor,
    *,
    normalization: Normalization = "token",
    length: int | None = None,
) -> Tensor:
    """Low-variance estimate (k3) of KL(policy ‖ reference) from the sampled tokens, in nats: exp(d) − d − 1 with d = reference − policy.

    Never negative, and unbiased when the tokens come from the policy (GRPO, eq. 4). Shapes and `normalization` as in `policy_loss`.

    >>> reference_kl(torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.5, 0.25]])), torch.ones(1, 2))  # (0 + 0.5 + log 2 − 1) / 2
    tensor(0.0966)
    """
    mask, ratio, _ = _ratio(
        "reference_kl", reference_logprobs, logprobs, torch.zeros(()), action_mask
    )
    return average(ratio - ratio.log() - 1, mask, normalization, length)


def average(
    values: Tensor, mask: Tensor, normalization: Normalization, length: int | None = None
) -> Tensor:
    """Sum of (B, T) `values` over the boolean mask, divided as `normalization` says (see `policy_loss`)."""
    total = torch.where(mask, values, torch.zeros_like(values)).sum(-1)
    if normalization == "token":
        return total.sum() / mask.sum()
    if normalization == "sequence":
        return (total / mask.sum(-1).clamp_min(1)).mean()
    if normalization == "constant":
        return total.sum() / (mask.shape[0] * (length or mask.shape[1]))
    raise ValueError(f"normalization must be token, sequence or constant, got {normalization!r}")


def _spread(rewards, group_ids) -> tuple[Tensor, Tensor]:
    """Largest minus smallest reward of each group, and each attempt's group index."""
    rewards, names, group, _ = _groups(rewards, group_ids)
    low = torch.full(
        (len(names),), torch.inf, dtype=rewards.dtype, device=rewards.device
    ).scatter_reduce_(0, group, rewards, "amin")
    high = torch.full_like(low, -torch.inf).scatter_reduce_(0, group, rewards, "amax")
    return high - low, group


def _groups(rewards, group_ids) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rewards as floats, group names, each attempt's group index, and group sizes (as floats)."""
    rewards = torch.as_tensor(rewards)
    rewards = rewards if rewards.is_floating_point() else rewards.float()
    group_ids = torch.as_tensor(group_ids, device=rewards.device)
    if rewards.ndim != 1 or rewards.shape != group_ids.shape or not len(rewards):
        raise ValueError(
            f"rewards and group ids must be two lists of one length, at least one entry; got shapes {tuple(rewards.shape)} and {tuple(group_ids.shape)}"
        )
    if not torch.isfinite(rewards).all():
        raise ValueError(f"reward {int((~torch.isfinite(rewards)).nonzero()[0])} is not finite")
    names, group, size = group_ids.unique(return_inverse=True, return_counts=True)
    return rewards, names, group, size.to(rewards.dtype)


def _ratio(
    who: str, logprobs: Tensor, old: Tensor, advantages: Tensor, action_mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask as booleans, exp(logprobs − old) with 1 where nothing was sampled, and the advantages a token (0 there)."""
    mask = action_mask.bool()
    if logprobs.ndim != 2 or logprobs.shape != old.shape or logprobs.shape != mask.shape:
        raise ValueError(
            f"{who}: log-probs and mask must all be (B, T), got {tuple(logprobs.shape)}, {tuple(old.shape)}, {tuple(mask.shape)}"
        )
    if not mask.any():
        raise ValueError(
            f"{who}: the action mask is empty: no token of this batch was sampled by the student"
        )
    if advantages.ndim == 1:
        advantages = advantages.unsqueeze(-1)
    if advantages.ndim and advantages.shape not in ((len(mask), 1), mask.shape):
        raise ValueError(
            f"{who}: advantages must be (B,) or (B, T) with B, T = {tuple(mask.shape)}, got {tuple(advantages.shape)}"
        )
    zero = torch.zeros((), dtype=logprobs.dtype, device=logprobs.device)
    difference = torch.where(mask, logprobs, zero) - torch.where(
        mask, old, zero
    )  # masked before exp: garbage there must not reach the gradient
    advantages = torch.where(mask, advantages.to(logprobs), zero)
    if not torch.isfinite(difference).all() or not torch.isfinite(advantages).all():
        raise ValueError(
            f"{who}: a log-prob or an advantage of an action token is not finite; stop before the weights are spoilt"
        )
    return mask, difference.exp(), advantages
