"""What a model of a given config weighs: parameters, adapters, key-value cache and activations, by arithmetic alone.

No torch, so that a plan takes a second. `fdcore/configs/` holds the published shapes of the paper's two models, for machines that have not
downloaded them. Left out on purpose: architectures other than Qwen3's and Qwen3.5's text models.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from fdcore import PACKAGE
from fdcore.profile import Model
from fdcore.records import Record

CONFIGS = PACKAGE / "configs"


class Shape(Record):
    """A Qwen3 or Qwen3.5 text model; the fields have the names of `config.json`."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    tie_word_embeddings: bool = False
    full_attention_interval: int = 1  # every n-th layer attends, the others are linear
    linear_conv_kernel_dim: int = 0
    linear_key_head_dim: int = 0
    linear_value_head_dim: int = 0
    linear_num_key_heads: int = 0
    linear_num_value_heads: int = 0

    @property
    def attending(self) -> int:
        """Layers with keys and values of all positions."""
        return self.num_hidden_layers // self.full_attention_interval

    @property
    def matrices(self) -> list[tuple[int, int, int]]:
        """(number, inputs, outputs) of the layers' linear maps: what adapters go onto."""
        hidden, linear = self.hidden_size, self.num_hidden_layers - self.attending
        queries, keys = (
            self.num_attention_heads * self.head_dim,
            self.num_key_value_heads * self.head_dim,
        )
        gated = (
            2 if self.model_type == "qwen3_5_text" else 1
        )  # Qwen3.5's queries come with a gate on the output
        found = [
            (self.attending, hidden, gated * queries),
            (2 * self.attending, hidden, keys),
            (self.attending, queries, hidden),
        ]
        found += [
            (2 * self.num_hidden_layers, hidden, self.intermediate_size),
            (self.num_hidden_layers, self.intermediate_size, hidden),
        ]
        if linear:
            values, heads = self._linear_values, self.linear_num_value_heads
            found += [
                (linear, hidden, 2 * self._linear_keys + values),
                (linear, hidden, values),
                (2 * linear, hidden, heads),
                (linear, values, hidden),
            ]
        return found

    @property
    def _linear_keys(self) -> int:
        return self.linear_num_key_heads * self.linear_key_head_dim

    @property
    def _linear_values(self) -> int:
        return self.linear_num_value_heads * self.linear_value_head_dim

    @property
    def parameters(self) -> int:
        """As `sum(p.numel() for p in model.parameters())` of transformers' causal language model."""
        linear = self.num_hidden_layers - self.attending
        small = (
            self.attending * 2 * self.head_dim + (2 * self.num_hidden_layers + 1) * self.hidden_size
        )  # norms
        if linear:
            convolution = (
                2 * self._linear_keys + self._linear_values
            ) * self.linear_conv_kernel_dim
            small += linear * (
                convolution + 2 * self.linear_num_value_heads + self.linear_value_head_dim
            )
        words = self.vocab_size * self.hidden_size * (1 if self.tie_word_embeddings else 2)
        return (
            words
            + small
            + sum(number * inputs * outputs for number, inputs, outputs in self.matrices)
        )

    def adapters(self, rank: int) -> int:
        """Parameters of LoRA adapters of that rank on all linear maps of the layers (`peft`: target_modules="all-linear")."""
        return rank * sum(number * (inputs + outputs) for number, inputs, outputs in self.matrices)

    def kv_bytes(self, tokens: float, width: int = 2) -> float:
        """Cache of one sequence in the sampler: keys and values of every token, and the linear layers' states (float32)."""
        state = (
            (self.num_hidden_layers - self.attending)
            * self.linear_num_value_heads
            * self.linear_key_head_dim
            * self.linear_value_head_dim
            * 4
        )
        return (
            tokens * self.attending * 2 * self.num_key_value_heads * self.head_dim * width + state
        )

    def activation_bytes(self, tokens: int, *, checkpointing: bool, width: int = 2) -> float:
        """What autograd keeps of a forward over `tokens` tokens in bfloat16, head excluded. With `checkpointing`: each layer's input,
        `width` bytes a number, and one layer whole. Linear layers are taken for attending ones."""
        queries, keys = (
            self.num_attention_heads * self.head_dim,
            self.num_key_value_heads * self.head_dim,
        )
        layer = (
            LAYER_BYTES["hidden"] * self.hidden_size
            + LAYER_BYTES["queries"] * queries
            + LAYER_BYTES["keys"] * keys
            + LAYER_BYTES["middle"] * self.intermediate_size
        )
        return tokens * (
            self.num_hidden_layers * width * self.hidden_size + layer
            if checkpointing
            else self.num_hidden_layers * layer
        )


# Bytes kept a token and unit of width, counted from autograd's saved tensors of transformers' Qwen3 (tests/test_shapes.py counts them again).
LAYER_BYTES = {"hidden": 16, "queries": 20, "keys": 6, "middle": 8}


def read_shape(path: Path) -> Shape:
    """The shape in a `config.json`. Raises ValueError with one line where it is no Qwen3 or Qwen3.5."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    if config.get("model_type") not in ("qwen3", "qwen3_5_text"):
        raise ValueError(
            f"{path}: the plan knows the architectures qwen3 and qwen3_5_text, not {config.get('model_type')!r}"
        )
    return Shape.model_validate(
        {name: config[name] for name in Shape.model_fields if config.get(name) is not None}
    )


def config_of(source: str) -> Path | None:
    """Where the `config.json` of a folder or hub id is on this machine: the folder, the hub's cache, or the shapes shipped here."""
    if Path(source).is_dir():
        return Path(source) / "config.json"
    cache = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub"
    )
    cached = sorted(
        (cache / f"models--{source.replace('/', '--')}" / "snapshots").glob("*/config.json")
    )
    shipped = CONFIGS / f"{source.rpartition('/')[2]}.json"
    return cached[-1] if cached else shipped if shipped.exists() else None


def shape_of(model: Model) -> Shape:
    """The shape of a profile's model. Raises ValueError where its config is nowhere on this machine."""
    if model.student is not None:
        student = model.student
        return Shape(
            model_type="qwen3",
            hidden_size=student.hidden_size,
            num_hidden_layers=student.layers,
            num_attention_heads=student.heads,
            num_key_value_heads=student.kv_heads,
            head_dim=student.head_dim,
            intermediate_size=student.intermediate_size,
            vocab_size=student.vocab_size,
            max_position_embeddings=student.max_positions,
            tie_word_embeddings=True,
        )
    path = config_of(model.source)
    if path is None or not path.exists():
        raise ValueError(
            f"{model.source}: no config.json on this machine; download the model (`hf download {model.source}`), or set model.source to a folder"
        )
    return read_shape(path)
