"""LoRA: adapters alone are trained and saved, on one shared base; a saved model is plain."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from fdcore.model import add_adapters, checkpoint_activations, merged_weights
from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.training.checkpoint import load_checkpoint
from fdcore.training.logits import action_logits
from tests.smallrun import SPLITS, small_trainer, student, weights_of

IDS, MASKS = [[1, 2, 3, 4, 5], [1, 2, 3, 6]], [[0, 0, 0, 1, 1], [0, 0, 0, 1]]


@torch.no_grad()
def moved(model):
    """Adapters away from where they change nothing."""
    generator = torch.Generator().manual_seed(0)
    for weight in filter(lambda p: p.requires_grad, model.parameters()):
        weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return model


@torch.no_grad()
def logits(model):
    return action_logits(model, IDS, MASKS)


def test_adapters_change_nothing_at_first_and_come_from_their_seed():
    assert torch.equal(logits(student(lora=True)), logits(student()))
    one, same, other = (
        add_adapters(student(), rank=2, alpha=4, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one) and any(
        not torch.equal(one[name], other[name]) for name in one
    )


def test_every_linear_map_of_the_layers_has_one_and_nothing_else_is_trained():
    model = student(lora=True)
    names = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(names) == 2 * 7 * 2 and all(
        "lora_" in name and ".layers." in name for name in names
    )  # layers x maps x (A, B)


def test_adapters_are_float32_on_a_bfloat16_base():
    model = add_adapters(student().to(torch.bfloat16), rank=2, alpha=4)
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {
        torch.float32
    }
    assert {weight.dtype for weight in model.parameters() if not weight.requires_grad} == {
        torch.bfloat16
    }
    assert {weight.dtype for weight in dict(merged_weights(model)).values()} == {torch.bfloat16}


def test_a_saved_folder_is_a_plain_model_that_computes_the_same(tmp_path):
    trainer = small_trainer(tmp_path, "fd", lora=True)
    model, before = moved(trainer.model), weights_of(trainer)
    trainer.save_model(tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert type(loaded) is type(student())
    assert dict(loaded.named_parameters()).keys() == dict(student().named_parameters()).keys()
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits(loaded), logits(student()), atol=1e-2)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_the_torch_sampler_samples_the_adapted_model(tmp_path):
    model = moved(student(lora=True))
    plain = student()
    plain.load_state_dict(dict(merged_weights(model)), strict=False)
    prompts, params = [[1, 2, 3, 4], [1, 2, 9], [1, 2, 7, 7]], SamplingParams(max_new_tokens=8)
    ours, theirs, base = (
        TorchSampler(m).generate(prompts, params, [1, 2, 3]) for m in (model, plain, student())
    )
    assert (
        [c.token_ids for c in ours] == [c.token_ids for c in theirs] != [c.token_ids for c in base]
    )
    sampler = TorchSampler(model)
    sampler.generate(prompts, params, [1, 2, 3])
    moved(model)
    sampler.update_weights(model)
    assert [c.token_ids for c in sampler.generate(prompts, params, [1, 2, 3])] == [
        c.token_ids for c in TorchSampler(model).generate(prompts, params, [1, 2, 3])
    ]


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_training_resumes_exactly_and_leaves_the_base_alone(tmp_path, method):
    whole = small_trainer(tmp_path / "whole", method, lora=True)
    rows = whole.train(5, SPLITS)
    cut = small_trainer(tmp_path / "cut", method, lora=True)
    cut.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        cut.train(5, SPLITS)
    again, expected = small_trainer(tmp_path / "cut", method, lora=True), weights_of(whole)
    assert again.train(5, SPLITS) == rows
    assert all(torch.equal(weight, expected[name]) for name, weight in weights_of(again).items())
    start = student(lora=True).state_dict()
    changed = {name for name, weight in start.items() if not torch.equal(weight, expected[name])}
    assert changed and all("lora_" in name for name in changed)


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_a_checkpoint_holds_no_weight_of_the_base(tmp_path, method):
    small_trainer(tmp_path, method, lora=True).train(2, SPLITS)
    _, state = load_checkpoint(tmp_path / "checkpoints")
    names = [*state["model"], *state.get("teacher", ())]
    assert names and all("lora_" in name for name in names)
    assert ("teacher" in state) == (method == "fd")
    assert len(state["optimizer"]["state"]) == len(state["model"])


def test_activation_checkpointing_gives_the_same_gradient():
    sides = []
    for checkpointing in (False, True):
        model = moved(student(lora=True))
        if checkpointing:
            checkpoint_activations(model)
        action_logits(model, IDS, MASKS).logsumexp(-1).sum().backward()
        sides.append([weight.grad for weight in model.parameters() if weight.requires_grad])
    torch.testing.assert_close(*sides, atol=1e-5, rtol=1e-5)
