"""A plan as tables: with lines and colours on a terminal, plain text when piped."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from fdcore.experiment.plan import GB, PAPER_SECONDS, Plan, Work


def console() -> Console:
    """Piped output has no terminal's width to keep to."""
    return Console(
        highlight=False, width=None if sys.stdout.isatty() else 1000, emoji=False, markup=False
    )


def put(what, out: Console) -> None:
    """Print a table or a line; piped, without the blanks that fill a table's lines."""
    if out.is_terminal:
        return out.print(what)
    with out.capture() as text:
        out.print(what)
    out.file.write("".join(line.rstrip() + "\n" for line in text.get().splitlines()))


def table(title: str, *columns: str, right: int = 0, terminal: bool) -> Table:
    """An empty table; the last `right` columns hold numbers."""
    made = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        title_style="bold",
        header_style="bold",
    )
    for index, column in enumerate(columns):
        made.add_column(
            column, justify="right" if index >= len(columns) - right else "left", overflow="fold"
        )
    return made


def show(plan: Plan, out: Console) -> None:
    terminal = out.is_terminal
    trained = (
        "all trained"
        if plan.trained_parameters == plan.parameters
        else f"{plan.trained_parameters / 1e6:,.1f} M trained"
    )
    where = f"{plan.gpus} GPU{'s' * (plan.gpus > 1)}" if plan.gpus else "no GPU"
    put(
        f"{plan.profile}: {plan.model}, {plan.parameters / 1e6:,.1f} M parameters, {trained}, {where}; run folder {plan.folder}\n",
        out,
    )
    put(_stages(plan, terminal), out)
    put("", out)
    put(_work(plan, terminal), out)
    put("", out)
    if plan.memory:
        put(_memory(plan, terminal), out)
        put("", out)
    put(_assumptions(plan, terminal), out)
    put("", out)
    for line in summary(plan):
        put(line, out)


def _stages(plan: Plan, terminal: bool) -> Table:
    made = table(
        "Stages", "notebook", "reads", "writes", "state", "hours left", right=1, terminal=terminal
    )
    for stage in plan.stages:
        state = (
            "done"
            if stage.done
            else "; ".join(
                f"{work.arm} {work.done:,} of {work.total:,} {work.unit}"
                for work in stage.work
                if work.done
            )
            or "to do"
        )
        made.add_row(
            stage.notebook,
            stage.reads,
            "\n".join(stage.writes) or "figures only",
            state if stage.writes else "",
            _hours(sum(work.left for work in stage.work)) if stage.work else "",
        )
    return made


def _work(plan: Plan, terminal: bool) -> Table:
    columns = (
        "work",
        "units",
        "done",
        "attempts",
        "tokens to sample",
        "Lean checks",
        "feedback calls",
        "dollars",
        "s a unit",
        "hours in all",
    )
    made = table("Work", *columns, right=9, terminal=terminal)
    for work in plan.works:
        name = f"{work.kind} {work.arm}" + (f" on {work.split}" if work.split else "")
        seconds = f"{work.unit_seconds:,.1f}" + (" measured" if work.measured else "")
        made.add_row(
            name,
            f"{work.total:,} {work.unit}",
            f"{work.done:,}",
            f"{work.attempts:,.0f}",
            _large(work.tokens),
            f"{work.checks:,.0f}",
            f"{work.calls:,.0f}",
            f"{work.dollars:,.0f}",
            seconds,
            _hours(work.seconds),
        )
    return made


def _memory(plan: Plan, terminal: bool) -> Table:
    first = next(iter(plan.memory.values()))
    made = table(
        f"Memory on each of {plan.gpus} GPU{'s' * (plan.gpus > 1)} of {first.capacity / GB:.0f} GB",
        "what",
        *(f"{column} (GB)" for column in plan.memory),
        right=len(plan.memory),
        terminal=terminal,
    )
    for row in dict.fromkeys(name for memory in plan.memory.values() for name in memory.trainer):
        made.add_row(row, *(_gb(memory.trainer.get(row)) for memory in plan.memory.values()))
    made.add_row("= trainer", *(_gb(memory.trained) for memory in plan.memory.values()))
    for row in first.engine:
        made.add_row(
            f"sampler: {row}", *(_gb(memory.engine[row]) for memory in plan.memory.values())
        )
    made.add_row(
        "sampler: room for keys and values", *(_gb(memory.cache) for memory in plan.memory.values())
    )
    made.add_row(
        "sequences of full length in it",
        *(str(memory.sequences) for memory in plan.memory.values()),
    )
    made.add_row(
        "sequences at once, at most", *(str(memory.asked) for memory in plan.memory.values())
    )
    return made


def _assumptions(plan: Plan, terminal: bool) -> Table:
    made = table("Assumed", "what", "value", "unit", "source", terminal=terminal)
    for name, each in plan.assumptions.items():
        made.add_row(
            name,
            f"{each.value:,.4g}" if each.value < 1e6 else f"{each.value:.3g}",
            each.unit,
            each.source,
        )
    return made


def summary(plan: Plan) -> list[str]:
    """The plan in a few lines; the first one has the hours."""
    works = plan.works
    lines = [
        f"In all: {_hours(sum(w.seconds for w in works))} hours, {_hours(sum(w.left for w in works))} left; {_large(sum(w.tokens for w in works))} tokens, "
        f"{sum(w.checks for w in works):,.0f} Lean checks, {sum(w.calls for w in works):,.0f} feedback calls for {sum(w.dollars for w in works):,.0f} dollars; "
        f"{plan.disk / GB:,.1f} GB of disk for checkpoints and models."
    ]
    if plan.budget is not None and (dollars := sum(w.dollars for w in works)) > plan.budget:
        lines.append(
            f"Over the budget: feedback for {dollars:,.0f} dollars where feedback.budget_dollars allows {plan.budget:,.0f}; the run would stop there, and go on when it is raised."
        )
    if plan.gpus:
        price = plan.assumptions["GPU price"].value
        lines.append(
            f"GPUs: {plan.gpus * sum(w.seconds for w in works) / 3600:,.0f} GPU hours, about {price * plan.gpus * sum(w.seconds for w in works) / 3600:,.0f} dollars at {price:g} an hour each."
        )
        lines += [
            _against_paper(plan, work)
            for work in works
            if work.kind == "train" and work.arm in PAPER_SECONDS
        ]
        lines += [f"Does not fit: {problem}" for problem in plan.problems] or ["Fits."]
        if plan.problems:
            lines += [f"  it would with {remedy}" for remedy in plan.remedies] or [
                "  no single setting makes it fit: take a smaller model, adapters (model.lora) and more GPUs together"
            ]
    return lines


def _against_paper(plan: Plan, work: Work) -> str:
    paper, ours = PAPER_SECONDS[work.arm], plan.papers_node[work.arm]
    total = sum(ours.values())
    return (
        f"A step of {work.arm}: {work.unit_seconds:,.0f} s ({_shares(work.parts)}; {'measured' if work.measured else 'estimated'}). The paper took {paper} s on 8 H200, where by the same "
        f"assumptions ours would take {total:,.0f} ({_shares(ours)}): {'less' if total < paper else 'more'}, {WHY[total < paper]}."
    )


WHY = {  # whether ours takes less
    True: "since the estimate leaves out pauses between rounds of tool calls, weight pushes, writing to disk and looks at test problems, and takes the assumed shares of the hardware as reached",
    False: "since attempts or checks as long as assumed would not have let the paper's step end so soon",
}


def _shares(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:,.0f}" for name, seconds in parts.items() if seconds)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f}"


def _large(number: float) -> str:
    return f"{number / 1e6:,.1f} M" if number < 1e9 else f"{number / 1e9:,.2f} G"


def _gb(size: float | None) -> str:
    return "" if size is None else f"{size / GB:,.1f}"
