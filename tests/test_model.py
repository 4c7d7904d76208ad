"""The tiny student and its tokenizer, and how models are loaded and saved."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.model import (
    ModelUnavailable,
    load_model,
    load_tokenizer,
    model_folder,
    save_model,
)
from fdcore.worlds.student import build_student, train_tokenizer

SHAPE = dict(
    hidden_size=128,
    layers=4,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate_size=384,
    vocab_size=1500,
    max_positions=2048,
)
TEXTS = [
    "theorem add_comm (a b : Nat) : a + b = b + a := by",
    "∀ x ∈ xs, f x ≤ ⟨y, hy⟩",
    "lean_check_file lean_write_file",
] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 400)


def test_the_student_has_one_to_two_million_parameters():
    assert 0.9e6 < sum(p.numel() for p in build_student(**SHAPE).parameters()) < 2e6


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    one = build_student(**SHAPE, seed=3)
    torch.rand(10)
    before = torch.get_rng_state()
    two, three = build_student(**SHAPE, seed=3), build_student(**SHAPE, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, three.lm_head.weight)


def test_embeddings_are_tied_only_when_asked():
    tied, free = build_student(**SHAPE), build_student(**SHAPE, tie_embeddings=False)
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
    assert free.lm_head.weight is not free.model.embed_tokens.weight


def test_heads_must_be_a_multiple_of_kv_heads():
    with pytest.raises(ValueError, match="multiple of kv_heads"):
        build_student(**{**SHAPE, "kv_heads": 3})


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_normalised(tokenizer, text):
    import unicodedata

    assert tokenizer.decode(
        tokenizer.encode(text, add_special_tokens=False)
    ) == unicodedata.normalize("NFC", text)


def test_special_tokens_are_single_tokens_and_tags_are_text(tokenizer):
    for token in (
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<tool_call>",
        "</tool_call>",
        "<tool_response>",
        "</tool_response>",
        "<think>",
        "</think>",
    ):
        assert len(tokenizer.encode(token, add_special_tokens=False)) == 1
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    ids = tokenizer.encode("<|im_start|>a<tool_call>b<|im_end|>", add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a<tool_call>b"


def test_training_a_tokenizer_gives_the_same_one_in_another_process(tokenizer):
    code = (
        "from fdcore.worlds.student import train_tokenizer\n"
        f"print(sorted(train_tokenizer({TEXTS!r}, 400).get_vocab().items()))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == str(sorted(tokenizer.get_vocab().items()))


def test_digits_are_single_tokens_and_words_take_one_leading_blank(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode("123 Nat", add_special_tokens=False))
    assert pieces[:3] == ["1", "2", "3"] and "".join(pieces[3:]) == "ĠNat"


def test_a_vocabulary_below_the_bytes_is_refused():
    with pytest.raises(ValueError, match="at least 265"):
        train_tokenizer(TEXTS, 200)


TOOL = {
    "type": "function",
    "function": {
        "name": "check",
        "description": "Compile.",
        "parameters": {"type": "object", "properties": {}},
    },
}
SYSTEM, USER = {"role": "system", "content": "S"}, {"role": "user", "content": "Q"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "check", "arguments": {"path": "é"}}}],
}
ANSWER = {"role": "tool", "content": "ok"}
# Written down from Qwen3's official template (Qwen/Qwen3-8B).
HEAD = (
    "<|im_start|>system\nS\n\n# Tools\n\n"
    "You may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
    '{"type": "function", "function": {"name": "check", "description": "Compile.", '
    '"parameters": {"type": "object", "properties": {}}}}\n'
    "</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n'
)
CASES = {
    "thinking": (
        [SYSTEM, USER],
        {},
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n",
    ),
    "not thinking": (
        [USER],
        dict(enable_thinking=False),
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    ),
    "tools": (
        [SYSTEM, USER],
        dict(tools=[TOOL]),
        HEAD + "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n",
    ),
    "tool answer": (
        [USER, CALL, ANSWER],
        {},
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "check", "arguments": {"path": "é"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nok\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
    ),
    "two tool answers are one turn": (
        [USER, {**CALL, "content": "I try."}, ANSWER, ANSWER],
        {},
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nI try.\n"
        '<tool_call>\n{"name": "check", "arguments": {"path": "é"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nok\n</tool_response>\n<tool_response>\nok\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
    ),
    "old reasoning is dropped": (
        [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA"}, USER],
        {},
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_chat_template_renders_as_qwen3_does(tokenizer, name):
    messages, options, expected = CASES[name]
    assert (
        tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **options
        )
        == expected
    )


def test_a_saved_model_comes_back_whole(tokenizer, tmp_path):
    model = build_student(**SHAPE)
    for _ in range(2):  # the second time replaces the folder
        save_model(model, tokenizer, tmp_path / "run" / "model")
    again, words = (
        load_model(tmp_path / "run" / "model"),
        load_tokenizer(str(tmp_path / "run" / "model")),
    )
    assert (
        all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
        and not again.training
    )
    assert (
        words.get_vocab() == tokenizer.get_vocab()
        and words.chat_template == tokenizer.chat_template
    )
    assert again.generation_config.eos_token_id == tokenizer.eos_token_id
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]
    assert load_model(tmp_path / "run" / "model", "bfloat16").dtype == torch.bfloat16


def test_a_model_that_changes_its_logits_behind_the_head_is_refused(tokenizer, tmp_path):
    save_model(build_student(**SHAPE), tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"final_logit_softcapping": 30.0}))
    with pytest.raises(ModelUnavailable, match="final_logit_softcapping"):
        load_model(tmp_path)


def test_a_failed_save_leaves_the_old_folder(tokenizer, tmp_path, monkeypatch):
    save_model(build_student(**SHAPE), tokenizer, tmp_path / "model")
    monkeypatch.setattr(
        tokenizer,
        "save_pretrained",
        lambda folder: (_ for _ in ()).throw(OSError("No space left on device")),
    )
    with pytest.raises(OSError, match="No space"):
        save_model(build_student(**SHAPE, seed=1), tokenizer, tmp_path / "model")
    assert torch.equal(
        load_model(tmp_path / "model").lm_head.weight, build_student(**SHAPE).lm_head.weight
    )


def test_a_missing_folder_is_one_clear_line(tmp_path):
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelUnavailable, match="no such folder") as error:
            load(tmp_path / "nothing")
        assert "\n" not in str(error.value)


def test_an_empty_folder_says_what_is_missing(tmp_path):
    with pytest.raises(ModelUnavailable, match="no config.json"):
        load_model(tmp_path)
    with pytest.raises(ModelUnavailable, match="no tokenizer_config.json"):
        load_tokenizer(tmp_path)


def test_a_hub_id_that_cannot_be_had_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelUnavailable, match="check the spelling and the network") as error:
            load("nobody/no-such-model")
        assert "\n" not in str(error.value)


def test_a_tokenizer_without_a_chat_template_is_refused(tokenizer, tmp_path):
    save_model(build_student(**SHAPE), tokenizer, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").unlink()
    with pytest.raises(ModelUnavailable, match="no chat template"):
        load_tokenizer(tmp_path / "model")


def test_a_model_of_the_hub_is_found_in_the_cache_at_its_commit_or_refused_in_one_line(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    place = tmp_path / "models--some--model"
    tokenizer = train_tokenizer(["theorem a : True"], 300)
    model = build_student(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=32,
        vocab_size=len(tokenizer),
        max_positions=64,
    )
    for commit in ("1" * 40, "2" * 40):
        save_model(model, tokenizer, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs/main").write_text("2" * 40)
    assert (
        model_folder("some/model").name == "2" * 40
        and model_folder("some/model", "1" * 40).name == "1" * 40
    )
    assert (
        load_model(model_folder("some/model")).num_parameters() == model.num_parameters()
        and model_folder(str(tmp_path)) == tmp_path
    )
    for commit in (None, "3" * 40):
        with pytest.raises(
            ModelUnavailable,
            match="another/model",
        ) as told:
            model_folder("another/model", commit)
        assert "\n" not in str(told.value)
