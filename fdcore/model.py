"""Any causal language model from a folder or the Hugging Face hub: loading, adapters, saving.

Left out on purpose: training (`fdcore.training.loop`), and the tiny world's model built from
nothing (`fdcore.worlds.student`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import DynamicLayer

from fdcore import REPOSITORY

# What Gemma 2, Cohere, Granite and Falcon-H1 do to logits behind the head.
BEHIND_THE_HEAD = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


class ModelUnavailable(RuntimeError):
    """A model or tokenizer could not be loaded; the message says from where and what to do."""


def find_folder(source: str) -> Path | None:
    """The folder that a model's source names: here, or in this repository. None for a hub id."""
    places = (Path(source), REPOSITORY / source)
    return next((place for place in places if place.is_dir()), None)


def model_folder(source: str, revision: str | None = None) -> Path:
    """The folder of a model's files: `source` itself, or the hub's cache, filled where needed.

    With `revision`, a commit, files that are there are not asked for again: a run goes on while
    the hub is down.
    """
    if folder := find_folder(source):
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    download = functools.partial(snapshot_download, source, revision=revision, allow_patterns=FILES)
    with explain_source("model", source, "config.json"):
        if revision:
            with contextlib.suppress(LocalEntryNotFoundError):
                return Path(download(local_files_only=True))
        return Path(download())


def load_model(source: str | Path, dtype: torch.dtype | str = torch.float32) -> PreTrainedModel:
    """The causal language model in a folder or under a hub id, in eval mode."""
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    with explain_source("model", source, "config.json"):
        model = AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype).eval()
    config = model.config.get_text_config()
    for name in BEHIND_THE_HEAD:
        if getattr(config, name, None) not in (None, 1):
            raise ModelUnavailable(
                f"{source}: {name} changes the logits behind the head, where trainer and sampler "
                "do not look; take another model"
            )
    return model


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder or under a hub id. It must have a chat template."""
    with explain_source("tokenizer", source, "tokenizer_config.json"):
        tokenizer = AutoTokenizer.from_pretrained(str(source))
    if not tokenizer.chat_template:
        raise ModelUnavailable(
            f"{source}: the tokenizer has no chat template; take an instruction-tuned model, or "
            "put a chat_template.jinja beside tokenizer_config.json"
        )
    return tokenizer


@contextlib.contextmanager
def explain_source(what: str, source: str | Path, needed: str) -> Iterator[None]:
    """ModelUnavailable, in one line, for a source that cannot be had."""
    folder = Path(source)
    path_like = isinstance(source, Path) or str(source).startswith((".", "/", "~"))
    if folder.is_dir() and not (folder / needed).exists():
        raise ModelUnavailable(f"{source}: the folder has no {needed}; run what writes it again")
    if not folder.exists() and (path_like or str(source).count("/") != 1):
        raise ModelUnavailable(
            f"{source}: no such folder, and not a hub id (OWNER/NAME); run the step that writes "
            "the model first, or correct model.source"
        )
    try:
        yield
    except (OSError, ValueError) as error:  # the hub's errors are among them
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelUnavailable(
            f"{source}: the {what} could not be loaded ({reason}); check the spelling and the "
            "network, log in with `hf auth login` if it is gated, or download it and give a folder"
        ) from error


def add_adapters(model: PreTrainedModel, *, rank: int, alpha: float, seed: int = 0):
    """The model with LoRA adapters (arXiv 2106.09685) on all linear maps of its layers.

    Only they are trained. They are float32 whatever the model's dtype, and at first change nothing.
    """
    from peft import LoraConfig, get_peft_model  # here: it takes a second to import

    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, config).eval()


def checkpoint_activations(model: PreTrainedModel) -> PreTrainedModel:
    """The model, keeping its layers' inputs alone and computing the rest again (1604.06174)."""
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()  # transformers checkpoints only then


def whole(tensor: Tensor) -> Tensor:
    """A tensor that processes share (a DTensor), gathered; all must call. Any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether FSDP has cut the weights among processes."""
    return hasattr(model, "reshard")


def release(model: torch.nn.Module) -> None:
    """Free what FSDP holds of the outermost module after a forward pass without a backward."""
    if is_sharded(model):
        model.reshard()


def unwrapped(model):
    """The transformers model in a `peft` model; its adapters act within it. Any other as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@torch.no_grad()
def merged_weights(model) -> Iterator[tuple[str, Tensor]]:
    """(name, weight) of the plain model that computes what this one does: adapters are merged.

    One weight at a time is whole. All processes that share the model must go through to the end.
    """
    inner = unwrapped(model)
    adapted = {
        f"{name}.base_layer.weight": layer
        for name, layer in inner.named_modules()
        if hasattr(layer, "lora_A")
    }
    for name, weight in inner.named_parameters():
        if "lora_" in name:
            continue
        if layer := adapted.get(name):
            deltas = [layer.get_delta_weight(adapter).float() for adapter in layer.active_adapters]
            weight = sum(deltas, weight.float()).to(weight.dtype)
        yield name.replace(".base_layer.", "."), whole(weight.detach())


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    *,
    write: bool = True,
) -> None:
    """Write weights, config, tokenizer and chat template; the folder appears whole or not at all.

    Adapters are merged. A folder of that name is replaced. All processes that share the model must
    call this; one of them is to `write`.
    """
    weights = {name: weight.cpu() for name, weight in merged_weights(model) if write}
    if not write:
        return
    folder = Path(folder)
    partial, old = (folder.with_name(folder.name + end) for end in (".partial", ".old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if model.generation_config is not None:
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    unwrapped(model).save_pretrained(partial, state_dict=weights)
    tokenizer.save_pretrained(partial)
    for path in partial.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def plain_cache(model: torch.nn.Module) -> DynamicCache | None:
    """An empty cache of a model whose layers keep keys and values of all positions, else None."""
    cache = DynamicCache(config=model.config)
    plain = bool(cache.layers) and all(type(layer) is DynamicLayer for layer in cache.layers)
    return cache if plain else None


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """Length of the longest common prefix of lists of token ids."""
    return len(os.path.commonprefix(list(sequences)))
