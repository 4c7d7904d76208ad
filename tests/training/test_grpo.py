"""Advantages, the clipped loss and the reference penalty, against loops written out here."""

import doctest
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.training import grpo
from fdcore.training.grpo import (
    clip_fraction,
    group_advantages,
    importance_weights,
    logprob_mismatch,
    policy_loss,
    reference_kl,
    zero_spread_groups,
)

groups = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, 0.5]), min_size=2, max_size=6), min_size=1, max_size=5
)


def test_the_docstring_examples_hold():
    assert doctest.testmod(grpo).failed == 0


@given(groups, st.booleans(), st.randoms())
@settings(max_examples=50, deadline=None)
def test_advantages_are_centred_rewards_whatever_the_order(rewards, scale, random):
    members = [(reward, index) for index, group in enumerate(rewards) for reward in group]
    random.shuffle(members)
    values = group_advantages(
        torch.tensor([r for r, _ in members], dtype=torch.float64),
        torch.tensor([i for _, i in members]),
        scale=scale,
    )
    for value, (reward, index) in zip(values.tolist(), members, strict=True):
        group = rewards[index]
        mean = sum(group) / len(group)
        spread = math.sqrt(sum((r - mean) ** 2 for r in group) / (len(group) - 1)) if scale else 1.0
        assert value == pytest.approx((reward - mean) / spread if spread > 1e-9 else 0.0, abs=1e-9)


def test_a_group_without_spread_teaches_nothing_even_when_rounding_disagrees():
    rewards = torch.full((7,), 0.1)
    assert torch.equal(
        group_advantages(rewards, torch.zeros(7, dtype=torch.long), scale=True), torch.zeros(7)
    )
    assert zero_spread_groups(rewards, torch.zeros(7, dtype=torch.long)) == 1


@pytest.mark.parametrize(
    "rewards, ids, message",
    [
        ([1.0, 0.0, 1.0], [4, 4, 9], "group 9"),
        ([1.0], [0, 0], "one length"),
        ([float("nan"), 0.0], [0, 0], "reward 0 is not finite"),
        ([], [], "one length"),
    ],
)
def test_bad_groups_are_named(rewards, ids, message):
    with pytest.raises(ValueError, match=message):
        group_advantages(rewards, ids, scale=True)


def batch(seed: int, rows: int = 4, time: int = 6):
    generator = torch.Generator().manual_seed(seed)
    new, old = (
        -torch.rand(rows, time, generator=generator, dtype=torch.float64) * 3 for _ in range(2)
    )
    mask = torch.randint(0, 2, (rows, time), generator=generator)
    mask[:, 0] = 1
    return (
        new.requires_grad_(),
        old,
        torch.randn(rows, generator=generator, dtype=torch.float64),
        mask,
    )


def by_hand(new, old, advantages, mask, clip, normalization="token", length=None):
    low, high = clip
    sums = []
    for row in range(len(mask)):
        terms = []
        for t in range(mask.shape[1]):
            if mask[row, t]:
                ratio = (new[row, t] - old[row, t]).exp()
                terms.append(
                    -min(
                        ratio * advantages[row],
                        torch.clamp(ratio, 1 - low, 1 + high) * advantages[row],
                        key=lambda x: x.item(),
                    )
                )
        sums.append((sum(terms), len(terms)))
    if normalization == "token":
        return sum(s for s, _ in sums) / sum(n for _, n in sums)
    if normalization == "sequence":
        return sum(s / n for s, n in sums) / len(sums)
    return sum(s for s, _ in sums) / (len(sums) * (length or mask.shape[1]))


@pytest.mark.parametrize(
    "normalization, length",
    [("token", None), ("sequence", None), ("constant", 50)],
)
@pytest.mark.parametrize("seed", range(4))
def test_loss_and_gradient_are_the_formula(normalization, length, seed):
    new, old, advantages, mask = batch(seed)
    ours = policy_loss(
        new,
        old,
        advantages,
        mask,
        clip=(0.2, 0.28),
        normalization=normalization,
        length=length,
    )
    theirs = by_hand(new, old, advantages, mask, (0.2, 0.28), normalization, length)
    assert torch.isclose(ours, theirs, atol=1e-12)
    assert torch.allclose(
        torch.autograd.grad(ours, new)[0], torch.autograd.grad(theirs, new)[0], atol=1e-12
    )


def test_on_policy_gradient_is_the_policy_gradient():
    new, _, advantages, mask = batch(0)
    loss = policy_loss(new, new.detach(), advantages, mask, clip=(0.2, 0.2))
    (grad,) = torch.autograd.grad(loss, new)
    assert torch.allclose(grad, -advantages[:, None] * mask / mask.sum(), atol=1e-12)


@pytest.mark.parametrize(
    "advantage, ratio, flows",
    [(1, 1.5, False), (1, 0.5, True), (-1, 1.5, True), (-1, 0.5, False), (1, 1.1, True)],
)
def test_the_clip_stops_the_gradient_only_where_the_policy_already_moved_enough(
    advantage, ratio, flows
):
    new = torch.tensor([[ratio]]).log().requires_grad_()
    arguments = new, torch.zeros(1, 1), torch.tensor([float(advantage)]), torch.ones(1, 1)
    (grad,) = torch.autograd.grad(policy_loss(*arguments, clip=(0.2, 0.2)), new)
    assert bool(grad.abs().sum() > 0) == flows
    assert clip_fraction(*arguments, clip=(0.2, 0.2)) == (0.0 if flows else 1.0)


@given(st.integers(0, 10**6), st.sampled_from(["token", "sequence"]))
@settings(max_examples=30, deadline=None)
def test_padding_and_order_change_nothing(seed, normalization):
    new, old, advantages, mask = batch(seed)
    how = dict(clip=(0.2, 0.2), normalization=normalization)
    garbage = torch.full((4, 3), float("nan"), dtype=torch.float64)
    padded = [torch.cat([tensor, garbage], 1).flip(0) for tensor in (new, old)]
    wide = torch.cat([mask, torch.zeros(4, 3)], 1).flip(0)
    assert torch.isclose(
        policy_loss(new, old, advantages, mask, **how),
        policy_loss(*padded, advantages.flip(0), wide, **how),
        atol=1e-12,
    )
    (grad,) = torch.autograd.grad(policy_loss(*padded, advantages.flip(0), wide, **how), new)
    assert torch.isfinite(grad).all()


def test_a_constant_length_does_not_depend_on_padding():
    new, old, advantages, mask = batch(0)
    how = dict(clip=(0.2, 0.2), normalization="constant", length=20)
    wide = [torch.nn.functional.pad(tensor, (0, 5)) for tensor in (new, old, mask)]
    assert torch.isclose(
        policy_loss(new, old, advantages, mask, **how),
        policy_loss(wide[0], wide[1], advantages, wide[2], **how),
    )


def test_advantages_may_differ_from_token_to_token():
    new, old, advantages, mask = batch(0)
    how = dict(clip=(0.2, 0.2))
    assert torch.isclose(
        policy_loss(new, old, advantages, mask, **how),
        policy_loss(new, old, advantages[:, None].expand(4, 6), mask, **how),
    )


def test_the_reference_penalty_has_value_and_gradient_where_the_policies_are_far_apart():
    policy = torch.tensor([[-0.1]], requires_grad=True)
    for reference in (-20.0, -95.0, -110.0, -1000.0):
        kl = reference_kl(policy, torch.tensor([[reference]]), torch.ones(1, 1))
        d = reference + 0.1
        assert kl.item() == pytest.approx(math.exp(d) - d - 1, rel=1e-6)
        assert torch.autograd.grad(kl, policy)[0].item() == pytest.approx(1 - math.exp(d))


def test_the_reference_penalty_keeps_its_digits_where_the_policies_are_near():
    d = 1e-4
    policy, reference = torch.tensor([[-d]]), torch.tensor([[0.0]])
    assert reference_kl(policy, reference, torch.ones(1, 1)).item() == pytest.approx(
        d * d / 2, rel=1e-3
    )


def test_importance_weights_are_capped_and_log_probs_that_are_not_finite_are_refused():
    trainer, sampler = torch.tensor([-1.0, -1.0]), torch.tensor([-0.5, -3.0])
    weights = importance_weights(trainer, sampler, cap=2.0)
    assert weights.tolist() == pytest.approx([math.exp(-0.5), 2.0])
    for bad in (torch.tensor([-1.0, -torch.inf]), torch.tensor([-1.0])):
        with pytest.raises(ValueError):
            logprob_mismatch(trainer, bad)


def test_the_reference_penalty_is_unbiased_over_the_policys_own_tokens():
    generator = torch.Generator().manual_seed(0)
    policy, reference = (
        torch.randn(9, generator=generator, dtype=torch.float64).log_softmax(-1) for _ in range(2)
    )
    values = reference_kl(
        policy[None], reference[None], torch.ones(1, 9)
    )  # every word once: weigh by its probability
    each = torch.stack(
        [
            reference_kl(policy[None, a : a + 1], reference[None, a : a + 1], torch.ones(1, 1))
            for a in range(9)
        ]
    )
    assert torch.isclose(
        (policy.exp() * each).sum(), (policy.exp() * (policy - reference)).sum(), atol=1e-12
    )
    assert (each >= 0).all() and torch.isclose(values, each.mean())


def test_the_reference_penalty_pulls_towards_the_reference():
    policy = torch.tensor([[-1.0]], requires_grad=True)
    for reference, sign in ((-0.5, -1), (-2.0, 1)):
        (grad,) = torch.autograd.grad(
            reference_kl(policy, torch.tensor([[reference]]), torch.ones(1, 1)), policy
        )
        assert grad.sign().item() == sign


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda n, o, a, m: (n, o, a, m * 0), "empty"),
        (lambda n, o, a, m: (n, o[:, :2], a, m), "one shape"),
        (lambda n, o, a, m: (n.detach().fill_(float("nan")), o, a, m), "not finite"),
    ],
)
def test_bad_tensors_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        policy_loss(*change(*batch(0)), clip=(0.2, 0.2))
