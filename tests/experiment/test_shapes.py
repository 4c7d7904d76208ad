"""The plan's arithmetic against torch itself: the same models, optimizers, teachers and caches built on the meta device."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen3_5 import Qwen3_5ForCausalLM, Qwen3_5TextConfig

from fdcore.experiment import plan
from fdcore.experiment.shapes import CONFIGS, read_shape
from fdcore.profile import load_profile
from fdcore.training import logits as policy
from fdcore.training.teacher import EMATeacher

QWEN3 = read_shape(CONFIGS / "Qwen3-8B.json")


def on_meta(cls, config, dtype=torch.float32):
    with torch.device("meta"):
        return cls(config).to(dtype)


def near(estimate: float, counted: float) -> bool:
    return abs(estimate / counted - 1) < 0.15


def test_parameters_are_counted_exactly():
    cases = [
        ("Qwen3-8B", Qwen3ForCausalLM, Qwen3Config),
        ("Qwen3.5-9B", Qwen3_5ForCausalLM, Qwen3_5TextConfig),
    ]
    for name, cls, config in cases:
        model = on_meta(cls, config.from_json_file(CONFIGS / f"{name}.json"))
        assert read_shape(CONFIGS / f"{name}.json").parameters == sum(
            p.numel() for p in model.parameters()
        ), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_gradients_moments_and_teacher_of_qwen3_8b_are_what_torch_allocates(dtype):
    model = on_meta(Qwen3ForCausalLM, Qwen3Config.from_json_file(CONFIGS / "Qwen3-8B.json"), dtype)
    teacher = EMATeacher(model)
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    storages = {
        t.untyped_storage()._cdata: t.nbytes
        for t in [*teacher.model.parameters(), *teacher._average.values()]
    }
    counted = {
        "weights": sum(p.nbytes for p in model.parameters()),
        "gradients": sum(p.grad.nbytes for p in model.parameters()),
        "AdamW moments": sum(
            t.nbytes for state in optimizer.state.values() for t in state.values()
        ),
        "EMA teacher": sum(storages.values()),
    }
    profile = load_profile("paper")
    profile = profile.model_copy(
        update={
            "hardware": profile.hardware.model_copy(update={"gpus": 1}),
            "model": profile.model.model_copy(update={"dtype": str(dtype).removeprefix("torch.")}),
        }
    )
    rows = plan.memory_plan(profile, QWEN3, "fd").trainer
    assert {name: near(rows[name], size) for name, size in counted.items()} == dict.fromkeys(
        counted, True
    ), (rows, counted)


def test_adapters_are_those_that_peft_makes():
    from peft import LoraConfig, get_peft_model

    config = Qwen3Config.from_json_file(CONFIGS / "Qwen3-8B.json")
    config.num_hidden_layers = 2
    with torch.device("meta"):
        model = get_peft_model(
            Qwen3ForCausalLM(config), LoraConfig(r=32, target_modules="all-linear")
        )
    assert QWEN3.model_copy(update={"num_hidden_layers": 2}).adapters(32) == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )


def layers(count: int) -> tuple[float, float]:
    """(bytes that autograd keeps, bytes of keys and values) a token, of a forward through so many of Qwen3-8B's layers in bfloat16."""
    tokens = 64
    config = Qwen3Config.from_json_file(CONFIGS / "Qwen3-8B.json")
    config.num_hidden_layers, config.vocab_size = count, 1000
    model, kept, cache = (
        on_meta(Qwen3ForCausalLM, config, torch.bfloat16).train(),
        {},
        DynamicCache(config=config),
    )
    weights = {p.untyped_storage()._cdata for p in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        attention = tensor.ndim == 4 and tensor.shape[-2:] == (
            tokens,
            tokens,
        )  # the meta device's way; a GPU's kernels do not keep them
        if storage._cdata not in weights and not attention:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.model(
            input_ids=ids,
            attention_mask={"full_attention": None},
            past_key_values=cache,
            use_cache=True,
        )
    return sum(kept.values()) / tokens, sum(
        layer.keys.nbytes + layer.values.nbytes for layer in cache.layers
    ) / tokens


def test_activations_and_cache_a_layer_are_what_a_forward_leaves():
    one, two = layers(1), layers(2)
    per_layer = QWEN3.activation_bytes(1, checkpointing=False) / QWEN3.num_hidden_layers
    assert near(per_layer, two[0] - one[0]), (per_layer, two[0] - one[0])
    assert QWEN3.kv_bytes(1) / QWEN3.num_hidden_layers == two[1] - one[1]


def test_the_chunk_of_logits_is_the_trainers():
    assert plan.LOGITS_CHUNK == policy.CHUNK
