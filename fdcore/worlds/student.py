"""The tiny world's student: a Qwen3 tokenizer and a small Qwen3 model, built from nothing.

The student differs from Qwen3-8B in size only. Architecture, splitting pattern, special tokens and
chat format are Qwen3's.

Left out on purpose: training (`lean_project.generate.pretraining`), loading and saving
(`fdcore.model`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from pydantic import PositiveInt
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from fdcore.profile import Section

CHAT_TEMPLATE = Path(__file__).parents[1] / "templates" / "qwen3_chat.jinja"
# How Qwen2 and Qwen3 cut text into words before BPE.
WORDS = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",  # contractions
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # letters with one leading sign
        r"\p{N}",  # single digits
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",  # signs
        r"\s*[\r\n]+",  # line ends
        r"\s+(?!\S)",
        r"\s+",
    ]
)
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAG_TOKENS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE on `texts`, as Qwen3 does it.

    The tags (tool_call, tool_response, think) are single tokens but ordinary text: decoding keeps
    them.

    Args:
        vocab_size: of bytes, merges and the nine special tokens. Few texts may give fewer.

    Raises:
        ValueError: it does not even hold the 256 bytes and the special tokens.
    """
    special = len(CONTROL_TOKENS) + len(TAG_TOKENS)
    if vocab_size < 256 + special:
        raise ValueError(
            f"vocab_size must be at least {256 + special} (256 bytes, {special} special tokens), "
            f"got {vocab_size}"
        )
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS]
    )
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in TAG_TOKENS]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        chat_template=CHAT_TEMPLATE.read_text(encoding="utf-8"),
        clean_up_tokenization_spaces=False,
    )


class StudentShape(Section):
    """A Qwen3-architecture model."""

    hidden_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt
    intermediate_size: PositiveInt
    vocab_size: PositiveInt
    max_positions: PositiveInt


def build_student(*, seed: int = 0, tie_embeddings: bool = True, **shape: int) -> Qwen3ForCausalLM:
    """A randomly initialised Qwen3 model of that `StudentShape`.

    The same seed gives the same weights, whatever was drawn before. ValueError for a wrong shape.
    """
    sizes = StudentShape(**shape)
    if sizes.heads % sizes.kv_heads:
        raise ValueError(
            f"build_student: heads ({sizes.heads}) must be a multiple of kv_heads "
            f"({sizes.kv_heads})"
        )
    config = Qwen3Config(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        intermediate_size=sizes.intermediate_size,
        max_position_embeddings=sizes.max_positions,
        tie_word_embeddings=tie_embeddings,
        initializer_range=0.06,  # Qwen3's 0.02 is made for widths of thousands
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,  # the tokenizer knows them; `save_model` writes them for `generate`
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)
