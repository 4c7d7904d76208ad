"""The student: a tiny Qwen3 model and tokenizer built from nothing, or any causal language model from a folder or the Hugging Face hub.

The tiny student differs from Qwen3-8B in size only: the same architecture, byte-level BPE with Qwen's splitting pattern, the same
special tokens and chat format, so that whatever works here works there.

Left out on purpose: training (`fdcore.worlds.warmup`, `fdcore.training.loop`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import DynamicLayer


class ModelUnavailable(RuntimeError):
    """A model or tokenizer could not be loaded; the message says from where and what to do."""


def model_folder(source: str, revision: str | None = None) -> Path:
    """The folder of a model's files: `source` itself, or the hub's cache, where what is missing is downloaded. ModelUnavailable, as for loading.

    With `revision`, the commit of an earlier answer, files that are there are not asked for again, so that a run goes on while the hub is down.
    """
    if Path(source).is_dir():
        return Path(source)
    _check_source(source, "config.json")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = {
        "revision": revision,
        "allow_patterns": ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"],
    }
    try:
        if revision:
            with contextlib.suppress(LocalEntryNotFoundError):
                return Path(snapshot_download(source, **wanted, local_files_only=True))
        return Path(snapshot_download(source, **wanted))
    except (OSError, ValueError) as error:  # the hub's errors are among them
        raise _unavailable("model", source, error) from None


def load_model(source: str | Path, dtype: torch.dtype | str = torch.float32) -> PreTrainedModel:
    """The causal language model in a folder or under a hub id, in eval mode. ModelUnavailable says what is missing and what to do."""
    _check_source(source, "config.json")
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    try:
        return AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype).eval()
    except (OSError, ValueError) as error:
        raise _unavailable("model", source, error) from error


def add_adapters(model: PreTrainedModel, *, rank: int, alpha: float, seed: int = 0):
    """The model with LoRA adapters (arXiv 2106.09685) on all linear maps of its layers, as a `peft` model in eval mode: only they are trained.

    The adapters are float32 whatever the model's dtype, and at first change nothing; the same seed gives the same ones.
    """
    from peft import LoraConfig, get_peft_model  # here, because it takes a second to import

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(
            model,
            LoraConfig(
                r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
        ).eval()


def checkpoint_activations(model: PreTrainedModel) -> PreTrainedModel:
    """The model, keeping only its layers' inputs and computing the rest again in the backward pass (Chen et al., arXiv 1604.06174)."""
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()  # transformers checkpoints only then


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that processes share (a DTensor), gathered: all of them must ask. Any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether FSDP has cut the weights among processes."""
    return hasattr(model, "reshard")


def unwrapped(model):
    """The transformers model in what `peft` has wrapped; its adapters act within it. Any other model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@torch.no_grad()
def merged_weights(model) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, weight), each once, of the plain model that computes what this one does: adapters are added to what they adapt.

    One at a time is made, so that a model that is shared by processes is never whole at once; all of them must go through to the end.
    The model stays as it is. Merging rounds to the base's dtype.
    """
    inner = unwrapped(model)
    adapted = {
        f"{name}.base_layer.weight": layer
        for name, layer in inner.named_modules()
        if hasattr(layer, "lora_A")
    }
    for name, weight in inner.named_parameters():
        if "lora_" not in name:
            if layer := adapted.get(name):
                weight = sum(
                    (layer.get_delta_weight(adapter).float() for adapter in layer.active_adapters),
                    weight.float(),
                ).to(weight.dtype)
            yield name.replace(".base_layer.", "."), whole(weight.detach())


@contextlib.contextmanager
def head_at(
    model: torch.nn.Module, rows: torch.Tensor, columns: torch.Tensor, *, skip: bool = False
) -> Iterator[list[torch.Tensor]]:
    """Inside, the model's language-model head sees only hidden states [rows, columns], and its logits are (1, len(rows), V).

    A hook, and not `hidden_states` times the head's weight, so that whatever a model does around its head stays as it is. It acts in
    the calling thread alone: micro-batches may run side by side. Yields a list that then holds these (len(rows), H) hidden states;
    with `skip` the head sees only the first of them.
    """
    thread, seen = threading.get_ident(), []

    def pick(_, inputs):
        if threading.get_ident() != thread:
            return None
        seen[:] = [inputs[0][rows, columns]]
        return (seen[0][None, :1] if skip else seen[0][None],)

    hook = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield seen
    finally:
        hook.remove()


def plain_cache(model: torch.nn.Module) -> DynamicCache | None:
    """An empty cache of the model when all its layers keep nothing but keys and values of all positions, else None."""
    cache = DynamicCache(config=model.config)
    return (
        cache
        if cache.layers and all(type(layer) is DynamicLayer for layer in cache.layers)
        else None
    )


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Length of the longest common prefix. The smallest and the largest list differ first where any two do."""
    low, high = min(sequences), max(sequences)
    return next((i for i, (a, b) in enumerate(zip(low, high)) if a != b), len(low))


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder or under a hub id. It must have a chat template: prompts and tool answers are written with it."""
    _check_source(source, "tokenizer_config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(source))
    except (OSError, ValueError) as error:
        raise _unavailable("tokenizer", source, error) from error
    if not tokenizer.chat_template:
        raise ModelUnavailable(
            f"{source}: the tokenizer has no chat template; take an instruction-tuned model, or put a chat_template.jinja beside tokenizer_config.json"
        )
    return tokenizer


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    *,
    write: bool = True,
) -> None:
    """Write weights (safetensors), config, tokenizer and chat template so that the folder appears whole or not at all.

    A `peft` model is written with its adapters merged. A folder of that name is replaced; killed in between, the old one is still there (beside it, as NAME.old, for an instant).
    All processes that share the model must call this; one of them is to `write`.
    """
    weights = {name: weight.cpu() for name, weight in merged_weights(model) if write}
    if not write:
        return
    folder = Path(folder)
    partial, old = (
        folder.with_name(folder.name + ".partial"),
        folder.with_name(folder.name + ".old"),
    )
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if model.generation_config is not None:
        model.generation_config.eos_token_id, model.generation_config.pad_token_id = (
            tokenizer.eos_token_id,
            tokenizer.pad_token_id,
        )
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


def _check_source(source: str | Path, needed: str) -> None:
    folder = Path(source)
    if folder.is_dir() and not (folder / needed).exists():
        raise ModelUnavailable(
            f"{source}: the folder has no {needed}; give a folder that save_pretrained wrote, or run the step that builds the model again"
        )
    if not folder.exists() and (
        isinstance(source, Path)
        or str(source).count("/") != 1
        or str(source).startswith((".", "/", "~"))
    ):
        raise ModelUnavailable(
            f"{source}: no such folder, and not a hub id (OWNER/NAME); run the step that writes the model first, or correct model.source"
        )


def _unavailable(what: str, source: str | Path, error: Exception) -> ModelUnavailable:
    reason = next(
        (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
    )
    return ModelUnavailable(
        f"{source}: the {what} could not be loaded ({reason[:200]}); check the spelling and the network, log in with `hf auth login` if it is gated, "
        "or download it and give the folder"
    )
