"""The torch sampler against `generate()`, the training forward and the model's distribution."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.logits import action_logits, action_values, token_logprobs
from fdcore.worlds.student import build_student

VOCABULARY = 300


@pytest.fixture(scope="module")
def model():
    student = build_student(
        hidden_size=32,
        layers=3,
        heads=4,
        kv_heads=2,
        head_dim=8,
        intermediate_size=64,
        vocab_size=VOCABULARY,
        max_positions=512,
    )
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(3.0)  # sharper than at birth: neither uniform nor one-sided
    return student


def prompts_of(count: int, shared: int = 20, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    prefix = rng.integers(0, VOCABULARY, shared).tolist()
    return [
        prefix + rng.integers(0, VOCABULARY, rng.integers(1, 12)).tolist() for _ in range(count)
    ]


def greedy(model, prompt: list[int], new: int) -> list[int]:
    out = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        do_sample=False,
        max_new_tokens=new,
        pad_token_id=0,
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("max_batch", [1, 3, 64])
@pytest.mark.parametrize("shared", [0, 20])
def test_greedy_completions_are_those_of_generate(model, shared, max_batch):
    prompts = prompts_of(8, shared)
    done = TorchSampler(model, max_batch=max_batch).generate(
        prompts, SamplingParams(temperature=0, max_new_tokens=15), range(8)
    )
    assert [list(c.token_ids) for c in done] == [greedy(model, prompt, 15) for prompt in prompts]
    assert {c.finish_reason for c in done} == {"length"}


def test_logprobs_are_those_of_the_training_forward(model):
    prompts = prompts_of(20)
    params = [SamplingParams(temperature=i % 2, max_new_tokens=3 + 2 * i) for i in range(20)]
    done = TorchSampler(model, max_batch=7).generate(prompts, params, range(20))
    sequences = [prompt + list(c.token_ids) for prompt, c in zip(prompts, done, strict=True)]
    masks = [
        [0] * len(prompt) + [1] * len(c.token_ids) for prompt, c in zip(prompts, done, strict=True)
    ]
    trained = token_logprobs(
        action_logits(model, sequences, masks), action_values(sequences, masks)
    )
    sampled = torch.tensor([value for c in done for value in c.logprobs])
    assert torch.allclose(trained.logprobs, sampled, atol=1e-4)


def test_the_same_inputs_give_the_same_completions(model):
    prompts, params = (
        prompts_of(20),
        SamplingParams(max_new_tokens=20, stop_token_ids=tuple(range(30))),
    )
    sampler = TorchSampler(model, max_batch=6)
    assert sampler.generate(prompts, params, range(20)) == sampler.generate(
        prompts, params, range(20)
    )


@given(st.permutations(range(8)), st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_a_completion_depends_on_its_own_prompt_and_seed_alone(model, order, max_batch):
    prompts, params = (
        prompts_of(8),
        [
            SamplingParams(max_new_tokens=3 + 3 * i, stop_token_ids=tuple(range(40)))
            for i in range(8)
        ],
    )
    reference = TorchSampler(model).generate(prompts, params, range(8))
    shuffled = TorchSampler(model, max_batch=max_batch).generate(
        [prompts[i] for i in order], [params[i] for i in order], list(order)
    )
    for i, completion in zip(order, shuffled, strict=True):
        assert completion.token_ids == reference[i].token_ids
        assert completion.logprobs == pytest.approx(reference[i].logprobs, abs=1e-4)


def test_seeds_decide(model):
    prompt = prompts_of(1)[0]
    params = SamplingParams(max_new_tokens=20)
    one, two, again = TorchSampler(model).generate([prompt] * 3, params, [1, 2, 1])
    assert one.token_ids == again.token_ids != two.token_ids


@pytest.mark.parametrize("temperature", [1.0, 0.7, 1.5])
def test_first_tokens_follow_the_distribution_and_logprobs_are_its(model, temperature):
    prompt, count = prompts_of(1)[0], 4000
    params = SamplingParams(temperature=temperature, max_new_tokens=1)
    done = TorchSampler(model, max_batch=count).generate([prompt] * count, params, range(count))
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1] / temperature
    expected = logits.softmax(-1).double().numpy()
    seen = np.bincount([c.token_ids[0] for c in done], minlength=VOCABULARY) / count
    spread = np.sqrt((expected * (1 - expected)).clip(0) / count).sum()
    assert np.abs(seen - expected).sum() / 2 < 2 * spread
    for completion in done[:50]:
        probability = expected[completion.token_ids[0]]
        assert np.exp(completion.logprobs[0]) == pytest.approx(probability, rel=1e-4)


def test_a_completion_ends_with_its_stop_token(model):
    stops = tuple(range(20))
    done = TorchSampler(model).generate(
        prompts_of(30), SamplingParams(max_new_tokens=20, stop_token_ids=stops), range(30)
    )
    for completion in done:
        assert not set(completion.token_ids[:-1]) & set(stops)
        assert (completion.finish_reason == "stop") == (completion.token_ids[-1] in stops)
        assert len(completion.token_ids) == len(completion.logprobs) <= 20
    assert {c.finish_reason for c in done} == {"stop", "length"}


def test_a_finished_row_leaves_and_a_waiting_prompt_enters(model):
    widths = []
    hook = model.model.embed_tokens.register_forward_hook(
        lambda module, inputs, output: widths.append(tuple(inputs[0].shape))
    )
    params = [SamplingParams(max_new_tokens=2 if i % 2 else 30) for i in range(12)]
    done = TorchSampler(model, max_batch=8).generate(prompts_of(12), params, range(12))
    hook.remove()
    assert [len(c.token_ids) for c in done] == [p.max_new_tokens for p in params]
    assert (
        sum(rows * columns for rows, columns in widths)
        < 20 + 12 * 12 + sum(p.max_new_tokens for p in params) + 12
    )  # no work on finished rows
    assert sum(columns == 1 for _, columns in widths) < 62  # not one batch after the other


def test_the_shared_prefix_is_computed_once(model):
    tokens = []
    hook = model.model.embed_tokens.register_forward_hook(
        lambda module, inputs, output: tokens.append(inputs[0].numel())
    )
    TorchSampler(model).generate(
        [list(range(200)) + [i] for i in range(12)], SamplingParams(max_new_tokens=1), range(12)
    )
    hook.remove()
    assert sum(tokens) == 200 + 12


def test_changed_weights_are_used_by_the_next_call(model):
    changed = copy.deepcopy(model)
    sampler, prompts = TorchSampler(changed), prompts_of(4)
    params = SamplingParams(max_new_tokens=6)
    first = sampler.generate(prompts, params, range(4))
    later = [prompt + list(c.token_ids) + [40] for prompt, c in zip(prompts, first, strict=True)]
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1.1)
    fresh = TorchSampler(changed).generate(later, params, range(4))
    assert sampler.generate(later, params, range(4)) == fresh


def test_new_weights_are_used_by_the_next_completion(model):
    other = build_student(
        hidden_size=32,
        layers=3,
        heads=4,
        kv_heads=2,
        head_dim=8,
        intermediate_size=64,
        vocab_size=VOCABULARY,
        max_positions=512,
        seed=7,
    )
    prompts, params = prompts_of(4), SamplingParams(temperature=0, max_new_tokens=10)
    sampler = TorchSampler(
        build_student(
            hidden_size=32,
            layers=3,
            heads=4,
            kv_heads=2,
            head_dim=8,
            intermediate_size=64,
            vocab_size=VOCABULARY,
            max_positions=512,
        )
    )
    sampler.update_weights(other)
    assert sampler.generate(prompts, params, range(4)) == TorchSampler(other).generate(
        prompts, params, range(4)
    )


def test_sampling_leaves_the_model_as_it_was(model):
    model.train()
    before = model.config._attn_implementation
    TorchSampler(model).generate(prompts_of(2), SamplingParams(max_new_tokens=2), range(2))
    assert model.training and model.config._attn_implementation == before
    model.eval()
    assert action_logits(model, [[1, 2, 3]], [[0, 1, 1]]).requires_grad


def test_another_architecture_works_the_same_way():
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        eos_token_id=None,
    )
    llama = LlamaForCausalLM(config).eval()
    prompts = [[1, 2, 3, 4 + i] for i in range(5)]
    done = TorchSampler(llama, max_batch=2).generate(
        prompts, SamplingParams(temperature=0, max_new_tokens=8), range(5)
    )
    assert [list(c.token_ids) for c in done] == [greedy(llama, prompt, 8) for prompt in prompts]


def test_a_model_with_another_cache_is_refused_with_the_way_out():
    config = MistralConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=4,
    )
    with pytest.raises(ValueError, match="sampler.backend: vllm"):
        TorchSampler(MistralForCausalLM(config))


def test_no_prompts_no_completions(model):
    assert TorchSampler(model).generate([], SamplingParams(max_new_tokens=2), []) == []


@pytest.mark.parametrize(
    "prompts, params, seeds, message",
    [
        ([[1], []], SamplingParams(max_new_tokens=2), [0, 1], "prompt 1 is empty"),
        ([[1]], SamplingParams(max_new_tokens=2), [0, 1], "must agree"),
        ([[1]], SamplingParams(max_new_tokens=2), [-1], "non-negative"),
    ],
)
def test_bad_requests_are_named(model, prompts, params, seeds, message):
    with pytest.raises(ValueError, match=message):
        TorchSampler(model).generate(prompts, params, seeds)


@pytest.mark.parametrize("how", [dict(temperature=-1), dict(max_new_tokens=0)])
def test_impossible_settings_are_refused(how):
    with pytest.raises(ValueError):
        SamplingParams(**{"max_new_tokens": 1, **how})
