"""From problems to token ids: prompts of student and teacher, and the tokens of a tool's answer.

The student sees the problem. The teacher sees the problem and the feedback. Both see the same
response tokens. Sampled tokens are never encoded again: a tool's answer is appended as tokens.

Data (statement, informal text, feedback, tool output) cannot become a control token. Control tokens
are read from the templates alone. A control token's text inside data is encoded as ordinary text.
For other data the ids are those of the whole text encoded at once, because a tokenizer always cuts
at its added tokens. This holds for byte-level BPE, as in Qwen's models; a tokenizer that adds a
blank before each text, or whose added tokens take in neighbouring blanks, gives other ids.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jinja2

from fdcore import PACKAGE
from fdcore.records import Problem
from fdcore.rollout.tool_format import choose_format

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPTS = PACKAGE / "prompts"
ENDS = "<|im_end|>", "<|endoftext|>"  # Qwen3 declares both as ends of a generation
FIRST_MARK = 0xE000  # private-use characters: data of number i stands at the i-th mark
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(PROMPTS), undefined=jinja2.StrictUndefined, autoescape=False
)


def render(template: str, **values) -> str:
    """The text of a prompt template in fdcore/prompts.

    Raises:
        ValueError: a value is missing or the template cannot be read; one line names the file.
    """
    try:
        return _templates.get_template(template).render(**values)
    except jinja2.TemplateError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{PROMPTS / template}: {reason}; correct the template") from None


class Chat:
    """The chat format of one tokenizer: prompts as token ids."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        tools: Sequence[dict],
        *,
        thinking: bool,
        system: bool = True,
    ):
        """Read the format off the tokenizer's chat template.

        Args:
            tools: JSON schemas that the system prompt lists; none for a prompt without tools.
            thinking: the template's switch `enable_thinking`.
            system: whether a prompt begins with the system prompt.

        Raises:
            ValueError: the template writes tool calls in no known format, or has no end of turn.
        """
        self.tokenizer, self.tools = tokenizer, list(tools)
        self.thinking, self.system = thinking, system
        self.format = choose_format(tokenizer)
        self._controls: dict[str, int] = tokenizer.get_added_vocab()
        self.call_open, self.call_close = (self._controls[m] for m in self.format.markers)
        self.ends = tuple(self._controls[end] for end in ENDS if end in self._controls)
        if not self.ends:
            raise ValueError(f"the tokenizer has no token {' or '.join(ENDS)} to end a turn with")
        longest_first = sorted(self._controls, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, longest_first)))

    def prompt(self, problem: Problem, feedback: str | None = None) -> list[int]:
        """Token ids up to the place where the response begins; with `feedback` the teacher's."""
        data = problem.statement, problem.informal, feedback
        statement, informal, told = (text and mark(i) for i, text in enumerate(data))
        user = render("problem.jinja", statement=statement, informal=informal, feedback=told)
        system = render("system.jinja") if self.system else None
        return self.encode(self._conversation(system, user), data)

    def question(self, system: str, user: str) -> list[int]:
        """Token ids of a question outside of any problem; all of `user` is data."""
        return self.encode(self._conversation(system, mark(0)), [user])

    def tool_answer(self, output: str) -> list[int]:
        """The tokens between the student's `</tool_call>` and its next turn."""
        return self.encode(self._around_tool_output, [output])

    def encode(self, markup: str, data: Sequence[str | None] = ()) -> list[int]:
        """Token ids of markup, with data at its marks. Control tokens come from the markup."""
        marks = "".join(mark(i) for i in range(len(data)))
        borders = self._control.pattern + (f"|[{marks}]" if marks else "")
        ids, text = [], ""
        for piece in re.split(f"({borders})", markup):
            if piece in self._controls:
                ids += [*self._encode_text(text), self._controls[piece]]
                text = ""
            elif piece and piece in marks:
                text += data[ord(piece) - FIRST_MARK]
            else:
                text += piece
        return ids + self._encode_text(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=False)

    def _encode_text(self, text: str) -> list[int]:
        """Ids of ordinary text: a control token's text in it is cut behind its first character."""
        ids: list[int] = []
        while control := self._control.search(text):
            head, text = text[: control.start() + 1], text[control.start() + 1 :]
            ids += self.tokenizer.encode(head, add_special_tokens=False)
        return ids + (self.tokenizer.encode(text, add_special_tokens=False) if text else [])

    def _conversation(self, system: str | None, user: str) -> str:
        start = [] if system is None else [{"role": "system", "content": system}]
        return self._render([*start, {"role": "user", "content": user}])

    def _render(self, messages: Sequence[dict]) -> str:
        return self.tokenizer.apply_chat_template(
            list(messages),
            tools=self.tools or None,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=self.thinking,
        )

    @functools.cached_property
    def _around_tool_output(self) -> str:
        """The template's text from an assistant's turn to the next, with a mark for the output."""
        messages = [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": mark(1)},
            {"role": "tool", "content": mark(0)},
        ]
        return self._render(messages).rpartition(mark(1))[2]


def mark(index: int) -> str:
    """The character that stands in markup for the data of that number."""
    return chr(FIRST_MARK + index)
