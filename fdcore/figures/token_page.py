"""The token view as one HTML file that needs no network, and the same inside a notebook.

Text of models and tools reaches the page as JSON and is shown through text nodes. The page's
content security policy forbids any other script, style or request.
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
from fdcore.figures.token_view import NUMBERS, SCALE, STUDENT, TEACHER, TokenView, line_ends

TEMPLATES = PACKAGE / "templates"


def token_page(views: Sequence[TokenView]) -> str:
    """Return the page of these views. Lists above the attempt switch between their labels' values.

    Raises:
        ValueError: no views, or views whose labels have different names.
    """
    if not views:
        raise ValueError("token_page: no views to show")
    names = sorted({tuple(view.labels) for view in views})
    if len(names) > 1:
        raise ValueError(f"token_page: all views must have the same labels, got {names}")
    return render("token_view.html.jinja", views[0].problem_id, data=view_data(views))


def render(template: str, title: str = "", **values) -> str:
    """Return a page of a template, with the token view's script and styles inside."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    environment.filters["digest"] = _digest
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": True}
    files = {
        path.name.replace(".", "_"): path.read_text(encoding="utf-8")
        for path in TEMPLATES.glob("*.*s*")
    }
    page = environment.get_template(template).render(title=title, **files, **values)
    return page.encode("utf-8", errors="replace").decode()  # half a surrogate pair becomes "?"


def show_in_notebook(page: str, height: int = 720) -> HTML:
    """Return the page in a frame of its own, `height` pixels high."""
    style = f"width:100%;height:{height}px;border:1px solid #ccc"
    source = html.escape(page)
    frame = f'<iframe sandbox="allow-scripts" title="Token view" srcdoc="{source}" style="{style}">'
    return HTML(f"<div>{frame}</iframe></div>")


def _digest(text: str) -> str:
    """The source that a content security policy allows this inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def view_data(views: Sequence[TokenView]) -> dict:
    """Return the views as JSON: each attempt once, numbers of the student's tokens alone."""
    attempts: dict[str, int] = {}
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
        options = [
            [[a.text, a.student, a.teacher] for a in view.alternatives[index]] for index in own
        ]
        row = {
            "labels": view.labels,
            "attempt": attempts.setdefault(json.dumps(attempt), len(attempts)),
            "feedback": view.feedback,
            "focus": view.focus,
            "alternatives": options,
        }
        rows.append(row | {name: [getattr(view, name)[i] for i in own] for name in NUMBERS})
    shown = [json.loads(text) for text in attempts]
    return {"scale": SCALE, "colours": [STUDENT, TEACHER], "attempts": shown, "views": rows}
