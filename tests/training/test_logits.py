"""Training forwards: a shared prefix, padding and chunks change nothing but time and memory."""

import copy
import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from fdcore.model import common_prefix, plain_cache
from fdcore.training import chunks, logits
from fdcore.training.logits import (
    action_logits,
    action_positions,
    action_values,
    by_sequence,
    deferred_logits,
    entropy,
    token_logprobs,
)
from fdcore.worlds.student import build_student

VOCABULARY = 60


@pytest.fixture(scope="module")
def student():
    return build_student(
        hidden_size=32,
        layers=3,
        heads=4,
        kv_heads=2,
        head_dim=8,
        intermediate_size=64,
        vocab_size=VOCABULARY,
        max_positions=128,
    )


def sequences_and_masks(seed: int, shared: int, rows: int = 4):
    """Rows with a common start, then prompts, actions and tool output of random lengths."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n: torch.randint(0, VOCABULARY, (n,), generator=generator).tolist()  # noqa: E731
    prefix, sequences, masks = draw(shared), [], []
    for _ in range(rows):
        prompt, act, tool, more = (
            int(torch.randint(1, 9, (1,), generator=generator)) for _ in range(4)
        )
        sequences.append(prefix + draw(prompt + act + tool + more))
        masks.append([0] * (shared + prompt) + [1] * act + [0] * tool + [1] * more)
    return sequences, masks


def one_by_one(model, sequences, masks):
    """The definition: every sequence alone, all its logits, those before action tokens kept."""
    rows = []
    for sequence, mask in zip(sequences, masks, strict=True):
        logits = model(torch.tensor([sequence])).logits[0]
        rows += [logits[t - 1] for t in range(len(sequence)) if mask[t]]
    return torch.stack(rows)


def gradient(model, logits):
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    return torch.cat(
        [
            g.flatten()
            for g in torch.autograd.grad(
                (logits.log_softmax(-1) * weights).sum(), list(model.parameters())
            )
        ]
    )


def test_the_docstring_examples_hold():
    assert doctest.testmod(logits, extraglobs={"torch": torch}).failed == 0


@pytest.mark.parametrize("share_prefix", [True, False])
@pytest.mark.parametrize("shared", [0, 1, 30])
def test_logits_and_gradient_are_those_of_every_sequence_alone(student, shared, share_prefix):
    sequences, masks = sequences_and_masks(0, shared)
    ours, plain = (
        action_logits(student, sequences, masks, share_prefix=share_prefix),
        one_by_one(student, sequences, masks),
    )
    assert ours.shape == (sum(map(sum, masks)), VOCABULARY)
    assert torch.allclose(ours, plain, atol=1e-5)
    expected = gradient(student, plain)
    assert (gradient(student, ours) - expected).abs().max() < 1e-5 * expected.abs().max()


@given(st.integers(0, 10**6), st.integers(0, 20), st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_shared_and_plain_forward_agree(student, seed, shared, rows):
    sequences, masks = sequences_and_masks(seed, shared, rows)
    with torch.no_grad():
        both = [
            action_logits(student, sequences, masks, share_prefix=share) for share in (True, False)
        ]
    assert torch.allclose(*both, atol=1e-5)


def test_identical_prompts_with_actions_right_behind_them(student):
    sequences, masks = [[1, 2, 3, 4], [1, 2, 3, 5, 6]], [[0, 0, 0, 1], [0, 0, 0, 1, 1]]
    assert torch.allclose(
        action_logits(student, sequences, masks), one_by_one(student, sequences, masks), atol=1e-5
    )


def test_identical_sequences_and_rows_without_actions(student):
    sequences, masks = [[1, 2, 3, 4]] * 3, [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]]
    assert torch.allclose(
        action_logits(student, sequences, masks), one_by_one(student, sequences, masks), atol=1e-5
    )


def test_autocast_is_close_and_gives_float32(student):
    sequences, masks = sequences_and_masks(0, 20)
    with torch.no_grad():
        half, full = (
            action_logits(student, sequences, masks, autocast=autocast)
            for autocast in (True, False)
        )
    assert half.dtype == torch.float32
    assert torch.allclose(half, full, atol=0.05) and not torch.equal(half, full)


def test_a_model_with_sliding_windows_takes_the_plain_path():
    config = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=4,
        max_position_embeddings=64,
    )
    model = MistralForCausalLM(config).eval()
    assert plain_cache(model) is None
    sequences, masks = sequences_and_masks(0, 10)
    assert torch.allclose(
        action_logits(model, sequences, masks), one_by_one(model, sequences, masks), atol=1e-5
    )


def test_another_architecture_works_the_same_way():
    config = GemmaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=64,
    )
    model = GemmaForCausalLM(config).eval()
    sequences, masks = sequences_and_masks(0, 10)
    assert torch.allclose(
        action_logits(model, sequences, masks), one_by_one(model, sequences, masks), atol=1e-5
    )


def test_gradient_checkpointing_takes_the_plain_path_and_gives_the_same(student):
    sequences, masks = sequences_and_masks(0, 20)
    expected = gradient(student, action_logits(student, sequences, masks))
    student.gradient_checkpointing_enable()
    student.train()
    try:
        actual = gradient(student, action_logits(student, sequences, masks))
    finally:
        student.gradient_checkpointing_disable()
        student.eval()
    assert (actual - expected).abs().max() < 1e-5 * expected.abs().max()


def logprobs_in_chunks(model, sequences, masks, tokens: int, **how):
    """Log-probs and entropies, and the gradient of a sum, with so many tokens' logits at once."""
    weights = [p for p in model.parameters() if p.requires_grad]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", tokens * VOCABULARY)
        logits = deferred_logits(model, sequences, masks, **how)
        logprobs, entropies = token_logprobs(logits, action_values(sequences, masks))
        total = (logprobs * torch.linspace(-1, 1, len(logprobs))).sum()
        gradients = torch.autograd.grad(total, weights, allow_unused=True)
    return logprobs, entropies, torch.cat([g.flatten() for g in gradients if g is not None])


@given(st.integers(0, 10**6), st.integers(1, 30))
@settings(max_examples=10)
def test_the_size_of_a_chunk_changes_nothing(student, seed, tokens):
    sequences, masks = sequences_and_masks(seed, 5)
    whole = logprobs_in_chunks(student, sequences, masks, 10**6)
    parts = logprobs_in_chunks(student, sequences, masks, tokens)
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_in_double_precision_chunks_agree_to_ten_digits(student):
    model = copy.deepcopy(student).double()
    sequences, masks = sequences_and_masks(0, 5)
    whole = logprobs_in_chunks(model, sequences, masks, 10**6)
    parts = logprobs_in_chunks(model, sequences, masks, 3)
    for one, other in zip(whole, parts, strict=True):
        assert one.dtype == torch.float64 and torch.allclose(one, other, atol=1e-10)


def test_no_more_logits_than_a_chunk_are_ever_computed_at_once(student):
    sequences, masks = sequences_and_masks(0, 5)
    rows = []
    hook = student.lm_head.register_forward_hook(
        lambda module, inputs, output: rows.append(output[..., 0].numel())
    )
    logprobs_in_chunks(student, sequences, masks, 4)
    hook.remove()
    assert max(rows) == 4


def test_with_adapters_the_logits_are_those_of_every_sequence_alone():
    model = build_student(
        hidden_size=32,
        layers=2,
        heads=2,
        kv_heads=1,
        head_dim=16,
        intermediate_size=32,
        vocab_size=VOCABULARY,
        max_positions=128,
    )
    adapted = get_peft_model(
        model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    sequences, masks = sequences_and_masks(0, 20)
    expected = one_by_one(adapted, sequences, masks)
    assert torch.allclose(action_logits(adapted, sequences, masks), expected, atol=1e-5)
    assert torch.allclose(
        logprobs_in_chunks(adapted, sequences, masks, 3)[0],
        token_logprobs(expected, action_values(sequences, masks)).logprobs,
        atol=1e-5,
    )


def test_a_sequence_beyond_the_models_positions_is_named(student):
    with pytest.raises(ValueError, match="sequence 1 .*129.*128"):
        action_logits(student, [[1, 2], [1] * 129], [[0, 1], [0] * 128 + [1]])


@pytest.mark.parametrize(
    "sequences, masks, message",
    [
        ([[1, 2]], [[0]], "sequence 0"),
        ([[1, 2]], [[1, 0]], "sequence 0"),
        ([[1, 2]], [[0, 0]], "empty"),
    ],
)
def test_bad_batches_are_named(student, sequences, masks, message):
    with pytest.raises(ValueError, match=message):
        action_logits(student, sequences, masks)


@given(st.lists(st.lists(st.integers(0, 1), max_size=6), min_size=1, max_size=5))
def test_common_prefix_is_where_the_first_two_lists_differ(lists):
    length = common_prefix(lists)
    assert all(entry[:length] == lists[0][:length] and len(entry) >= length for entry in lists)
    assert len({tuple(entry[: length + 1]) for entry in lists}) > 1 or any(
        len(entry) == length for entry in lists
    )


def test_values_at_action_tokens_come_in_the_order_of_the_logits():
    masks = [[0, 1, 1], [0, 0], [0, 1]]
    assert action_values([[5, 6, 7], [8, 9], [1, 2]], masks).tolist() == [6, 7, 2]
    rows, columns = action_positions(masks)
    assert (rows.tolist(), columns.tolist()) == ([0, 0, 2], [1, 2, 1])
    padded, mask = by_sequence(torch.tensor([6, 7, 2]), masks)
    assert padded.tolist() == [[6, 7], [0, 0], [2, 0]] and mask.sum(1).tolist() == [2, 0, 1]


def test_logprobs_and_entropy_are_those_of_the_softmax():
    logits, ids = 5 * torch.randn(12, 9, dtype=torch.float64), torch.randint(0, 9, (12,))
    reference = torch.distributions.Categorical(logits=logits)
    logprobs, entropies = token_logprobs(logits, ids)
    assert torch.allclose(logprobs, reference.log_prob(ids))
    assert torch.allclose(entropies, reference.entropy())
    assert torch.allclose(entropy(logits), reference.entropy())
