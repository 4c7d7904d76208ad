"""The token view as one HTML file that needs no network, and the same inside a notebook.

All text of models and tools reaches the page as JSON and is shown through text nodes; the page's own policy forbids any other script,
style or request. Left out on purpose: the numbers (`fdcore.figures.token_view`); the page's look and behaviour stand in `templates/`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence

import jinja2
from IPython.display import HTML

from fdcore import PACKAGE
from fdcore.figures.token_figure import PALETTES, SCALE
from fdcore.figures.token_view import TokenView, line_ends

LIMIT = 2_000_000  # bytes: a page stays below
TEMPLATES = PACKAGE / "templates"
COLUMNS = ("student", "teacher", "student_entropy", "teacher_entropy", "kl")


def _digest(text: str) -> str:
    """The source that a content security policy allows this inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=True
)
environment.filters["digest"] = _digest
environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": True}


def token_page(views: Sequence[TokenView], limit: int = LIMIT) -> str:
    """The page of these views; the first is shown first, and lists switch between the values of their `labels`.

    What would make it `limit` bytes or more is left out, and the page says so: the last views, then alternatives of the last one left.
    ValueError: no views, views with different labels, or one view that is too long by itself.
    """
    if not views:
        raise ValueError("token_page: no views to show")
    if any(list(view.labels) != list(views[0].labels) for view in views):
        raise ValueError(
            f"token_page: all views must have the same labels, got {sorted({tuple(view.labels) for view in views})}"
        )
    shown, page = list(views), _render(views, 0)
    while len(page) >= limit and len(shown) > 1:
        shown = shown[: max(1, min(len(shown) - 1, len(shown) * limit // len(page)))]
        page = _render(shown, len(views) - len(shown))
    for most in (3, 1):
        if len(page) >= limit:
            page = _render([_fewer(shown[0], most)], len(views) - 1)
    if len(page) >= limit:
        raise ValueError(
            f"token_page: an attempt of {len(shown[0].tokens)} tokens needs {len(page)} bytes, at most {limit} are allowed"
        )
    return page.decode()


def inline(page: str, height: int = 720) -> HTML:
    """The page inside a notebook, in a frame of its own: neither's styles and scripts reach the other. `height` in pixels."""
    return HTML(
        f'<div><iframe sandbox="allow-scripts" title="Token view" srcdoc="{html.escape(page)}" style="width:100%;height:{height}px;border:1px solid #ccc"></iframe></div>'
    )


def _render(views: Sequence[TokenView], left_out: int) -> bytes:
    """The page in UTF-8. Half a surrogate pair, which UTF-8 cannot hold, stays whole in the JSON."""
    script, style = (
        (TEMPLATES / f"token_view.{kind}").read_text(encoding="utf-8") for kind in ("js", "css")
    )
    text = "\n\n".join([views[0].statement, views[0].feedback, "".join(views[0].tokens)])
    page = environment.get_template("token_view.html.jinja").render(
        title=views[0].problem_id,
        script=script,
        style=style,
        text=text,
        data=_data(views, left_out),
    )
    return page.encode("utf-8", errors="replace")


def _data(views: Sequence[TokenView], left_out: int) -> dict:
    """Views as JSON: an attempt's text once, each text of an alternative once, numbers of the student's tokens alone."""
    texts: dict[str, int] = {}
    attempts: dict[str, int] = {}
    number = lambda known, value: known.setdefault(value, len(known))
    rows = []
    for view in views:
        own = [index for index, sampled in enumerate(view.action_mask) if sampled]
        attempt = {
            "statement": view.statement,
            "verdict": view.verdict,
            "source": view.source,
            "tokens": view.tokens,
            "mask": view.action_mask,
            "ends": line_ends(view.tokens),
        }
        rows.append(
            {
                "labels": view.labels,
                "attempt": number(attempts, json.dumps(attempt)),
                "feedback": number(texts, view.feedback),
                "focus": view.focus,
                **{name: [getattr(view, name)[index] for index in own] for name in COLUMNS},
                "alternatives": [
                    [
                        [number(texts, a.text), a.student, a.teacher]
                        for a in view.alternatives[index]
                    ]
                    for index in own
                ],
            }
        )
    return {
        "scale": SCALE,
        "palettes": PALETTES,
        "left_out": left_out,
        "texts": list(texts),
        "attempts": [json.loads(text) for text in attempts],
        "views": rows,
    }


def _fewer(view: TokenView, most: int) -> TokenView:
    """The view with at most `most` alternatives of either model at each token."""
    keep = lambda options: {
        id(a)
        for key in ("student", "teacher")
        for a in sorted(options, key=lambda a: -getattr(a, key))[:most]
    }
    return view.model_copy(
        update={
            "alternatives": tuple(
                tuple(a for a in options if id(a) in keep(options)) for options in view.alternatives
            )
        }
    )
