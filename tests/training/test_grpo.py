"""Advantages, the clipped loss and the reference penalty: against loops written out here, in float64."""

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
    has_spread,
    overlong_punishment,
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
    for value, (reward, index) in zip(values.tolist(), members):
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


@given(groups)
def test_groups_with_spread_are_those_with_advantages(rewards):
    values, ids = (
        [r for group in rewards for r in group],
        [i for i, group in enumerate(rewards) for _ in group],
    )
    found = has_spread(values, ids)
    assert found.tolist() == [len(set(rewards[i])) > 1 for i in ids]
    assert len({i for i, spread in zip(ids, found) if not spread}) == zero_spread_groups(
        values, ids
    )


@given(st.integers(1, 50), st.integers(51, 200))
def test_punishment_falls_on_a_straight_line_over_the_cache(cache, limit):
    values = overlong_punishment(range(limit + 10), limit=limit, cache=cache)
    assert (values[: limit - cache + 1] == 0).all() and (values[limit:] == -1).all()
    assert torch.allclose(values[limit - cache : limit].diff(), torch.tensor(-1 / cache), atol=1e-5)


@pytest.mark.parametrize("cache", [0, 101])
def test_an_impossible_cache_is_refused(cache):
    with pytest.raises(ValueError, match="between 1 and the limit of 100 tokens"):
        overlong_punishment([1], limit=100, cache=cache)


@pytest.mark.parametrize(
    "rewards, ids, message",
    [
        ([1.0, 0.0, 1.0], [4, 4, 9], "group 9 has one attempt"),
        ([1.0], [0, 0], "one length"),
        ([float("nan"), 0.0], [0, 0], "reward 0 is not finite"),
        ([], [], "at least one"),
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


def by_hand(new, old, advantages, mask, low, high, normalization, length=None):
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
    [("token", None), ("sequence", None), ("constant", None), ("constant", 50)],
)
@pytest.mark.parametrize("seed", range(4))
def test_loss_and_gradient_are_the_formula(normalization, length, seed):
    new, old, advantages, mask = batch(seed)
    ours = policy_loss(
        new,
        old,
        advantages,
        mask,
        clip_low=0.2,
        clip_high=0.28,
        normalization=normalization,
        length=length,
    )
    theirs = by_hand(new, old, advantages, mask, 0.2, 0.28, normalization, length)
    assert torch.isclose(ours, theirs, atol=1e-12)
    assert torch.allclose(
        torch.autograd.grad(ours, new)[0], torch.autograd.grad(theirs, new)[0], atol=1e-12
    )


def test_on_policy_gradient_is_the_policy_gradient():
    new, _, advantages, mask = batch(0)
    loss = policy_loss(new, new.detach(), advantages, mask, clip_low=0.2, clip_high=0.2)
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
    (grad,) = torch.autograd.grad(policy_loss(*arguments, clip_low=0.2, clip_high=0.2), new)
    assert bool(grad.abs().sum() > 0) == flows
    assert clip_fraction(*arguments, clip_low=0.2, clip_high=0.2) == (0.0 if flows else 1.0)


@given(st.integers(0, 10**6), st.sampled_from(["token", "sequence"]))
@settings(max_examples=30, deadline=None)
def test_padding_and_order_change_nothing(seed, normalization):
    new, old, advantages, mask = batch(seed)
    how = dict(clip_low=0.2, clip_high=0.2, normalization=normalization)
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
    how = dict(clip_low=0.2, clip_high=0.2, normalization="constant", length=20)
    wide = [torch.nn.functional.pad(tensor, (0, 5)) for tensor in (new, old, mask)]
    assert torch.isclose(
        policy_loss(new, old, advantages, mask, **how),
        policy_loss(wide[0], wide[1], advantages, wide[2], **how),
    )


def test_advantages_may_differ_from_token_to_token():
    new, old, advantages, mask = batch(0)
    how = dict(clip_low=0.2, clip_high=0.2)
    assert torch.isclose(
        policy_loss(new, old, advantages, mask, **how),
        policy_loss(new, old, advantages[:, None].expand(4, 6), mask, **how),
    )


def test_weights_multiply_each_tokens_loss():
    new, old, advantages, mask = batch(0)
    how = dict(clip_low=0.2, clip_high=0.2, normalization="constant", length=10)
    weights = torch.rand(4, 6, dtype=torch.float64)
    alone = [
        policy_loss(
            new,
            old,
            advantages,
            mask
            * torch.zeros(4, 6).index_put((torch.tensor(r), torch.tensor(t)), torch.tensor(1.0)),
            **how,
        )
        for r in range(4)
        for t in range(6)
        if mask[r, t]
    ]
    ours = policy_loss(
        new, old, advantages, mask, weights=weights.masked_fill(mask == 0, float("nan")), **how
    )
    assert torch.isclose(ours, (torch.stack(alone) * weights[mask.bool()]).sum())
    assert torch.isfinite(torch.autograd.grad(ours, new)[0]).all()


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
        (lambda n, o, a, m: (n, o, a, m * 0), "action mask is empty"),
        (lambda n, o, a, m: (n, o[:, :2], a, m), "must all be"),
        (lambda n, o, a, m: (n, o, a[:2], m), "advantages"),
        (lambda n, o, a, m: (n.detach().fill_(float("nan")), o, a, m), "not finite"),
        (lambda n, o, a, m: (n, o, a * float("inf"), m), "not finite"),
    ],
)
def test_bad_tensors_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        policy_loss(*change(*batch(0)), clip_low=0.2, clip_high=0.2)


@pytest.mark.parametrize(
    "how",
    [dict(clip_low=-1.0, clip_high=0.2), dict(clip_low=0.2, clip_high=0.2, normalization="mean")],
)
def test_bad_settings_are_refused(how):
    with pytest.raises(ValueError):
        policy_loss(*batch(0), **how)
