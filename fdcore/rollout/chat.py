"""From problems to token ids: the prompts of student and teacher, and the tokens that a tool's answer adds.

The student sees the problem; the teacher sees the problem and the feedback; both see the same response tokens. What was
sampled is never tokenised again: tool answers are appended as tokens, so masks and log-probs stay true.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jinja2

from fdcore import PACKAGE
from fdcore.records import Problem

PROMPTS = PACKAGE / "prompts"
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(PROMPTS), undefined=jinja2.StrictUndefined, autoescape=False
)
_ANCHOR = "anchor"


def render(template: str, **values) -> str:
    """The text of a prompt template in fdcore/prompts. ValueError, in one line, for a value that is missing or a template that cannot be read."""
    try:
        return _templates.get_template(template).render(**values)
    except jinja2.TemplateError as error:
        raise ValueError(
            f"{PROMPTS / template}: {str(error).splitlines()[0]}; correct the template"
        ) from None


class Chat:
    """The chat format of one tokenizer: prompts as token ids.

    `tools` are the JSON schemas that the system prompt lists (empty: no tools); `thinking` is Qwen3's switch; without `system` a
    prompt is the problem alone.
    """

    def __init__(self, tokenizer, tools: Sequence[dict], *, thinking: bool, system: bool = True):
        self.tokenizer, self.tools, self.thinking, self.system = (
            tokenizer,
            list(tools),
            thinking,
            system,
        )
        self.end = self._token("<|im_end|>")
        self.call_open, self.call_close = self._token("<tool_call>"), self._token("</tool_call>")

    def _token(self, text: str) -> int:
        (token,) = self.tokenizer.encode(text, add_special_tokens=False) or (None,)
        return token

    def text(self, messages: Sequence[dict]) -> str:
        return self.tokenizer.apply_chat_template(
            list(messages),
            tools=self.tools or None,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=self.thinking,
        )

    def messages(self, problem: Problem, feedback: str | None = None) -> list[dict]:
        user = render(
            "problem.jinja",
            statement=problem.statement,
            informal=problem.informal,
            feedback=feedback,
        )
        start = [{"role": "system", "content": render("system.jinja")}] if self.system else []
        return [*start, {"role": "user", "content": user}]

    def prompt(self, problem: Problem, feedback: str | None = None) -> list[int]:
        """Token ids up to the place where the response begins. With `feedback`: the teacher's prompt."""
        return self.encode(self.text(self.messages(problem, feedback)))

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=False)

    @functools.cached_property
    def _around_tool_output(self) -> tuple[str, str]:
        """The template's text before and after a tool's output, found by rendering one and looking where it landed."""
        start = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a" + _ANCHOR}]
        text = self.text([*start, {"role": "tool", "content": _ANCHOR}])
        _, before, after = text.rsplit(_ANCHOR, 2)
        return before, after

    def tool_answer(self, output: str) -> list[int]:
        """The tokens between the student's `</tool_call>` and its next turn."""
        before, after = self._around_tool_output
        return self.encode(before + output + after)
