"""The two methods' losses: independent of how the batch is cut, right with several updates, and stopped by bad input before any harm."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.profile import load_profile
from fdcore.records import Feedback, Problem, Trajectory, Verdict
from fdcore.rollout.chat import Chat
from fdcore.training import logits as policy
from fdcore.training.distillation import token_kl
from fdcore.training.grpo import policy_loss
from fdcore.training.logits import action_logits, action_values, by_sequence, token_logprobs
from fdcore.training.methods import (
    FeedbackDistillation,
    GroupRelativePolicyOptimization,
    RejectionSamplingFineTuning,
)
from fdcore.worlds.student import build_student, train_tokenizer

PROBLEMS = [
    Problem(id=name, header="", statement=f"theorem {name} : True := by", split="train")
    for name in "aabb"
]
VOCABULARY = 300


def build(seed: int, vocabulary: int = VOCABULARY):
    return build_student(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=16,
        vocab_size=vocabulary,
        max_positions=1024,
        seed=seed,
    )


@pytest.fixture
def model():
    return build(1)


@pytest.fixture(scope="module")
def chat():
    return Chat(
        train_tokenizer(["theorem a : True := by"], VOCABULARY), [], thinking=False, system=False
    )


def attempt(index, length, reward, stop="end", drift=0.0):
    """Three prompt tokens, then actions with a tool's answer among them. `drift`: how far the sampler's log-probs are off from -5.7."""
    ids, mask = tuple(range(1, 4 + length)), (0, 0, 0, *[t % 7 != 5 for t in range(length)])
    return Trajectory(
        problem_id=PROBLEMS[index].id,
        seed=0,
        step=1,
        prompt_length=3,
        token_ids=ids,
        action_mask=tuple(map(int, mask)),
        logprobs=tuple(drift - 5.7 for _ in mask),
        response_text="",
        tool_calls=(),
        source=None,
        verdict=Verdict(status="failed"),
        reward=reward,
        stop_reason=stop,
    )


ATTEMPTS = [attempt(0, 2, 1.0), attempt(1, 9, 0.0), attempt(2, 5, 0.0), attempt(3, 20, 1.0)]


class Advice:
    """Writes feedback of different lengths."""

    def write(self, items):
        return [
            Feedback(problem_id=problem.id, text="Try rfl. " * (index + 1), producer="test")
            for index, (problem, _) in enumerate(items)
        ]


def grpo(attempts=ATTEMPTS, reference=None, problems=PROBLEMS, mismatch=False, **changes):
    how = load_profile("smoke").grpo.model_copy(update=changes)
    method = GroupRelativePolicyOptimization(
        how, reference or build(2), max_tokens=32, autocast=False, mismatch=mismatch
    )
    return method, method.prepare(problems, attempts)


def distillation(
    chat, teacher=None, attempts=ATTEMPTS, producer=Advice(), mismatch=False, **changes
):
    how = load_profile("smoke").distillation.model_copy(update=changes)
    method = FeedbackDistillation(
        how, teacher or build(2), chat, producer, autocast=False, mismatch=mismatch
    )
    method.prepare([next(p for p in PROBLEMS if p.id == t.problem_id) for t in attempts], attempts)
    return method


def loss_and_gradient(method, model, size=4):
    """Loss, gradient and summed metrics of the batch in micro-batches of `size`."""
    model.zero_grad()
    found = [
        method.loss(model, range(start, min(start + size, len(method.trajectories))))
        for start in range(0, len(method.trajectories), size)
    ]
    sum(loss for loss, _ in found).backward()
    sums = {name: sum(parts[name] for _, parts in found) for name in found[0][1]}
    return (
        sum(loss.item() for loss, _ in found),
        torch.cat([p.grad.flatten() for p in model.parameters()]),
        sums,
    )


def assert_same(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-6) and torch.allclose(
        one[1], other[1], atol=1e-6
    )
    assert one[2] == pytest.approx(other[2], abs=1e-5)


GRPO_VARIANTS = [
    dict(normalization="token"),
    dict(normalization="sequence"),
    dict(normalization="constant"),
    dict(importance_cap=2.0),
    dict(overlong_cache=8),
    dict(mask_overlong=True),
]
FD_VARIANTS = [
    dict(),
    dict(top_k=None),
    dict(top_k=None, direction="jsd"),
    dict(top_k=3, tail=True, direction="reverse"),
    dict(direction="sampled"),
    dict(importance_cap=2.0),
    dict(clip=0.01, temperature=2.0),
]


@pytest.mark.parametrize("changes", GRPO_VARIANTS)
def test_grpo_micro_batches_and_chunks_add_up_to_the_whole_batch(model, changes, monkeypatch):
    changes = {"kl_coefficient": 0.1, **changes}
    whole = loss_and_gradient(grpo(**changes)[0], model)
    assert_same(whole, loss_and_gradient(grpo(**changes)[0], model, size=1))
    in_chunks(monkeypatch)
    assert_same(whole, loss_and_gradient(grpo(**changes)[0], model))


@pytest.mark.parametrize("changes", FD_VARIANTS)
def test_distillation_micro_batches_and_chunks_add_up_to_the_whole_batch(
    model, chat, changes, monkeypatch
):
    whole = loss_and_gradient(distillation(chat, **changes), model)
    assert whole[1].abs().max() > 0
    assert_same(whole, loss_and_gradient(distillation(chat, **changes), model, size=1))
    in_chunks(monkeypatch)
    assert_same(whole, loss_and_gradient(distillation(chat, **changes), model))


def in_chunks(monkeypatch, tokens=4):
    """So many tokens' logits at once, as with a large vocabulary."""
    monkeypatch.setitem(policy.deferred_logits.__kwdefaults__, "chunk", tokens * VOCABULARY)


class AdviceByLength:
    """Feedback that depends on the attempt alone."""

    def write(self, items):
        return [
            Feedback(
                problem_id=problem.id, text="Try rfl. " * (len(t.token_ids) % 5), producer="test"
            )
            for problem, t in items
        ]


groups = st.lists(
    st.lists(st.tuples(st.integers(1, 25), st.sampled_from([0.0, 1.0])), min_size=2, max_size=4),
    min_size=1,
    max_size=2,
)


@given(groups, st.randoms(), st.integers(1, 5), st.integers(1, 12), st.data())
@settings(max_examples=25)
def test_order_in_the_batch_micro_batches_and_chunks_change_nothing(
    chat, groups, random, size, tokens, data
):
    model = build(1)
    attempts = [
        attempt(2 * number, length, reward)
        for number, group in enumerate(groups)
        for length, reward in group
    ]
    shuffled = random.sample(attempts, len(attempts))
    for make, variants in (
        (
            lambda these, how: distillation(chat, attempts=these, producer=AdviceByLength(), **how),
            FD_VARIANTS,
        ),
        (grpo_of, GRPO_VARIANTS),
    ):
        how = data.draw(st.sampled_from(variants))
        whole = loss_and_gradient(make(attempts, how), model, size=len(attempts))
        with pytest.MonkeyPatch.context() as patch:
            in_chunks(patch, tokens)
            assert_same(whole, loss_and_gradient(make(shuffled, how), model, size=size))


def grpo_of(attempts, how):
    return grpo(
        attempts,
        problems=[next(p for p in PROBLEMS if p.id == t.problem_id) for t in attempts],
        **{"kl_coefficient": 0.1, **how},
    )[0]


def test_distillation_compares_the_same_tokens_behind_different_prompts(model, chat):
    """The paper's loss written down: each attempt alone, the teacher's prompt with feedback, alignment by index within the response."""
    method, teacher = distillation(chat, top_k=5), build(2)
    values = []
    for problem, trajectory, feedback in zip(PROBLEMS, ATTEMPTS, method.feedback):
        context = chat.prompt(problem, feedback.text)
        student = model(torch.tensor([trajectory.token_ids])).logits[0]
        taught = teacher(torch.tensor([[*context, *trajectory.token_ids[3:]]])).logits[0]
        for place in range(3, len(trajectory.token_ids)):
            if trajectory.action_mask[place]:
                values.append(
                    token_kl(
                        student[place - 1],
                        taught[place - 1 + len(context) - 3],
                        torch.tensor(1),
                        top_k=5,
                    )
                )
    assert len({len(chat.prompt(p, f.text)) for p, f in zip(PROBLEMS, method.feedback)}) > 1
    assert loss_and_gradient(method, model)[0] == pytest.approx(
        torch.stack(values).mean().item(), abs=1e-6
    )


def test_importance_weights_and_mismatch_come_from_the_samplers_log_probs(model, chat):
    """Sampler and trainer agree but for a constant: every weight is the same, and so is the mismatch."""
    with torch.no_grad():
        own = [
            token_logprobs(
                action_logits(model, [t.token_ids], [t.action_mask]),
                action_values([t.token_ids], [t.action_mask]),
            ).tolist()
            for t in ATTEMPTS
        ]
    shifted = [
        t.model_copy(update={"logprobs": spread(t, [v - 0.1 for v in values])})
        for t, values in zip(ATTEMPTS, own)
    ]
    plain, weighted = (
        loss_and_gradient(distillation(chat), model),
        loss_and_gradient(distillation(chat, attempts=shifted, importance_cap=2.0), model),
    )
    assert weighted[0] == pytest.approx(plain[0] * math.exp(0.1), rel=1e-4)
    assert weighted[2]["mismatch_mean"] == pytest.approx(0.1, abs=1e-5) and weighted[2][
        "kl"
    ] == pytest.approx(plain[2]["kl"])
    plain, weighted = (
        loss_and_gradient(grpo(attempts, kl_coefficient=0.0, importance_cap=cap)[0], model)
        for attempts, cap in ((ATTEMPTS, None), (shifted, 1.05))
    )
    assert torch.allclose(weighted[1], plain[1] * 1.05, atol=1e-6)  # exp(0.1), capped
    for one, other in (  # where it is only reported, it changes nothing
        (
            distillation(chat, temperature=2.0),
            distillation(chat, attempts=shifted, mismatch=True, temperature=2.0),
        ),
        (grpo()[0], grpo(shifted, mismatch=True)[0]),
    ):
        plain, reported = loss_and_gradient(one, model), loss_and_gradient(other, model)
        assert reported[2]["mismatch_mean"] == pytest.approx(0.1, abs=1e-5) and reported[2][
            "mismatch_kl"
        ] == pytest.approx(math.exp(0.1) - 1.1, abs=1e-5)
        assert (
            plain[0] == reported[0]
            and torch.equal(plain[1], reported[1])
            and "mismatch_mean" not in plain[2]
        )


def spread(trajectory, values):
    values = iter(values)
    return tuple(next(values) if mask else 0.0 for mask in trajectory.action_mask)


def test_a_second_update_measures_its_ratio_against_the_policy_before_the_first(model):
    method, _ = grpo(kl_coefficient=0.0, updates=2)
    sequences, masks = [t.token_ids for t in ATTEMPTS], [t.action_mask for t in ATTEMPTS]

    def logprobs():
        return by_sequence(
            token_logprobs(action_logits(model, sequences, masks), action_values(sequences, masks)),
            masks,
        )

    old = logprobs()[0].detach()
    first = loss_and_gradient(method, model, size=2)
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 3.0 * weight.grad
    second, (new, mask) = loss_and_gradient(method, model, size=2), logprobs()
    expected = policy_loss(
        new, old, method.advantages, mask, clip_low=0.2, clip_high=0.2, normalization="token"
    )
    assert (new - old).abs().max() > 0.1 and second[0] == pytest.approx(expected.item(), abs=1e-6)
    assert first[2]["clip_fraction"] == 0.0 < second[2]["clip_fraction"]


def test_groups_without_spread_are_counted_and_where_asked_left_out(model):
    attempts = [attempt(0, 2, 1.0), attempt(1, 9, 1.0), attempt(2, 5, 0.0), attempt(3, 20, 1.0)]
    kept, found = grpo(attempts, skip_zero_spread=True, kl_coefficient=0.0)
    assert found == {"zero_spread_groups": 1, "groups": 2} and kept.trajectories == attempts[2:]
    whole, _ = grpo(attempts, kl_coefficient=0.0)
    assert torch.allclose(
        loss_and_gradient(kept, model)[1],
        loss_and_gradient(whole, model)[1] * whole.tokens / kept.tokens,
        atol=1e-6,
    )
    assert kept.advantages.tolist() == whole.advantages[2:].tolist()


def test_attempts_cut_off_at_the_limit_are_counted_and_left_out_but_keep_their_place_in_the_baseline():
    attempts = [
        attempt(0, 2, 1.0),
        attempt(1, 9, 0.0, stop="length"),
        attempt(2, 5, 0.0),
        attempt(3, 20, 1.0),
    ]
    method, found = grpo(attempts, mask_overlong=True, scale=False)
    assert found["overlong"] == 1 and method.trajectories == [attempts[0], *attempts[2:]]
    assert method.advantages.tolist() == [0.5, -0.5, 0.5]


def test_a_long_attempt_is_punished_before_the_baseline():
    attempts = [attempt(0, 2, 1.0), attempt(1, 32, 1.0), attempt(2, 5, 0.0), attempt(3, 2, 1.0)]
    tokens = sum(attempts[1].action_mask)  # 4 over the free 24 of 32, of a cache of 8
    method, _ = grpo(attempts, overlong_cache=8, scale=False)
    punished = 1 - (tokens - 24) / 8
    assert method.advantages[:2].tolist() == pytest.approx([(1 - punished) / 2, (punished - 1) / 2])


@pytest.mark.parametrize("changes", [dict(skip_zero_spread=True), dict(mask_overlong=True)])
def test_a_batch_of_which_nothing_is_left_changes_nothing(model, changes):
    method, _ = grpo(
        [attempt(i, 4, 1.0, stop="length") for i in range(4)], kl_coefficient=0.0, **changes
    )
    loss, gradient, sums = loss_and_gradient(method, model)
    assert loss == 0.0 and gradient.abs().max() == 0.0 and sums["entropy"] > 0


def spoilt(seed: int):
    model = build(seed)
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    return model


def unchanged(model, act, message):
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=message):
        act()
    assert all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, model.parameters())
    )


@pytest.mark.parametrize("direction", ["forward", "sampled"])
def test_logits_that_are_not_finite_are_blamed_on_their_model(model, chat, direction):
    how = dict(direction=direction)
    unchanged(
        model,
        lambda: distillation(chat, teacher=spoilt(2), **how).loss(model, range(4)),
        "the teacher's logits are not finite on 32 of 32",
    )
    broken = spoilt(1)
    unchanged(
        broken,
        lambda: distillation(chat, **how).loss(broken, range(4)),
        "the student's logits are not finite",
    )
    unchanged(broken, lambda: grpo()[0].loss(broken, range(4)), "not finite")


def test_a_teacher_with_another_vocabulary_is_refused(model, chat):
    method = distillation(chat, teacher=build(2, vocabulary=320))
    unchanged(
        model,
        lambda: method.loss(model, range(4)),
        "student's vocabulary has 300 tokens, the teacher's 320",
    )


def test_a_batch_without_actions_is_refused(model, chat):
    silent = [
        t.model_copy(update={"action_mask": tuple(0 for _ in t.action_mask)}) for t in ATTEMPTS
    ]
    unchanged(
        model,
        lambda: distillation(chat, attempts=silent).loss(model, range(4)),
        "action mask is empty",
    )
    unchanged(model, lambda: grpo(silent)[0].loss(model, range(4)), "action mask is empty")


def test_a_group_of_one_is_refused():
    with pytest.raises(ValueError, match="has one attempt"):
        GroupRelativePolicyOptimization(
            load_profile("smoke").grpo, build(2), max_tokens=32, autocast=False
        ).prepare(PROBLEMS[:3], ATTEMPTS[:3])


def test_a_context_beyond_the_models_positions_is_refused(model, chat):
    class Wordy(Advice):
        def write(self, items):
            return [
                Feedback(problem_id=problem.id, text="never " * 500, producer="test")
                for problem, _ in items
            ]

    method = FeedbackDistillation(
        load_profile("smoke").distillation, build(2), chat, Wordy(), autocast=False
    )
    method.prepare(PROBLEMS, ATTEMPTS)
    unchanged(
        model,
        lambda: method.loss(model, range(4)),
        "the model takes 1024; lower max_prompt_tokens .* or shorten the feedback",
    )


def test_settings_that_define_no_divergence_are_refused_before_anything_is_sampled(chat):
    with pytest.raises(ValueError, match="top_k"):
        distillation(chat, direction="reverse")


def test_another_models_reference_is_refused():
    method = grpo()[0]
    with pytest.raises(ValueError, match="GRPO: the saved reference is another model"):
        method.load_state_dict({"reference": build(1, vocabulary=320).state_dict()})


# -- rejection-sampling fine-tuning ------------------------------------------------------------------------------------


def judged(attempts=ATTEMPTS):
    """The attempts with the verdicts that their rewards stand for."""
    return [
        t.model_copy(update={"verdict": Verdict(status="verified" if t.reward else "failed")})
        for t in attempts
    ]


def test_rejection_sampling_learns_the_verified_attempts_alone_and_measures_entropy_on_all(model):
    method, attempts = RejectionSamplingFineTuning(autocast=False), judged()
    assert method.prepare(PROBLEMS, attempts) == {"kept": 2}
    shares = [method.loss(model, rows) for rows in (range(0, 1), range(1, 4))]
    logits = action_logits(
        model, [t.token_ids for t in attempts], [t.action_mask for t in attempts]
    )
    kept = [t for t in attempts if t.reward]
    sequences, masks = [t.token_ids for t in kept], [t.action_mask for t in kept]
    expected = -token_logprobs(
        action_logits(model, sequences, masks), action_values(sequences, masks)
    ).mean()
    assert sum(loss for loss, _ in shares).item() == pytest.approx(expected.item(), abs=1e-6)
    assert sum(parts["entropy"] for _, parts in shares) == pytest.approx(
        policy.entropy(logits).mean().item(), abs=1e-6
    )


def test_a_batch_without_a_verified_attempt_leaves_the_weights_as_they_are(model):
    method = RejectionSamplingFineTuning(autocast=False)
    assert method.prepare(PROBLEMS, [t.model_copy(update={"reward": 0.0}) for t in ATTEMPTS]) == {
        "kept": 0
    }
    method.loss(model, range(4))[0].backward()
    assert all(
        not parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None
    )
