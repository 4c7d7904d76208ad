"""The tiny world's student: a Qwen3 tokenizer and a small Qwen3 model, built from nothing.

The student differs from Qwen3-8B in size only. Architecture, splitting pattern, special tokens and chat format are Qwen3's.

Left out on purpose: training (`fdcore.worlds.warmup`), loading and saving (`fdcore.model`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
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

CHAT_TEMPLATE = Path(__file__).parents[1] / "templates" / "qwen3_chat.jinja"
# How Qwen2 and Qwen3 cut text into words before BPE: contractions, letters with one leading sign, single digits, signs, line ends, blanks.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
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
    """Byte-level BPE on `texts`, as Qwen3 does it: `vocab_size` counts bytes, merges and the nine special tokens.

    The tags (tool_call, tool_response, think) are single tokens but ordinary text, so decoding keeps them. Few texts may give fewer
    tokens than `vocab_size`. ValueError when it does not even hold the 256 bytes and the special tokens.
    """
    special = len(CONTROL_TOKENS) + len(TAG_TOKENS)
    if vocab_size < 256 + special:
        raise ValueError(
            f"train_tokenizer: vocab_size must be at least {256 + special} (256 bytes, {special} special tokens), got {vocab_size}"
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


def build_student(
    *,
    hidden_size: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    intermediate_size: int,
    vocab_size: int,
    max_positions: int,
    tie_embeddings: bool = True,
    seed: int = 0,
) -> Qwen3ForCausalLM:
    """A randomly initialised Qwen3 model of that shape; the same seed gives the same weights, whatever was drawn before."""
    if heads % kv_heads:
        raise ValueError(
            f"build_student: heads ({heads}) must be a multiple of kv_heads ({kv_heads})"
        )
    config = Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=intermediate_size,
        max_position_embeddings=max_positions,
        tie_word_embeddings=tie_embeddings,
        initializer_range=0.06,  # Qwen3's 0.02 is made for widths of thousands
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,  # the tokenizer knows them; `save_model` writes them for `generate`
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)
