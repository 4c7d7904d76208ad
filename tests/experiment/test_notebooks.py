"""Notebooks as committed: numbered, without outputs, with parameters and short cells, in words.

Running them is the smoke test's part.
"""

import ast
import itertools
import re
from pathlib import Path

import nbformat
import pytest

from fdcore.experiment.notebooks import needs_weights

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LONGEST, WIDEST = 25, 100  # lines of a code cell, characters of a line


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    content = nbformat.read(request.param, as_version=nbformat.NO_CONVERT)
    nbformat.validate(content)
    return content


def code(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_they_are_numbered_without_gaps():
    numbers = [path.name[:3] for path in NOTEBOOKS]
    assert numbers == [f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)]


def test_each_cell_has_an_id_and_nothing_is_left_from_a_run(notebook):
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_the_kernel_is_called_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_papermill_finds_the_parameters_profile_seed_and_out(notebook):
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    values = {
        line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body
    }
    assert values == {"profile": "tiny", "seed": None, "out": None}


def test_notebooks_that_need_more_than_records_say_so():
    needing = [path.stem[:2] for path in NOTEBOOKS if needs_weights(path)]
    assert needing == ["01", "03", "04", "14"]


def test_cells_are_short_and_compile(notebook):
    for source in code(notebook):
        compile(source, "cell", "exec")
        lines = source.splitlines()
        assert len(lines) <= LONGEST, source
        assert max(map(len, lines)) <= WIDEST, source


def test_every_import_is_used(notebook):
    tree = ast.parse("\n".join(code(notebook)))
    nodes = list(ast.walk(tree))
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported <= {node.id for node in nodes if isinstance(node, ast.Name)}


def test_no_function_is_written_twice():
    """Helper code belongs to fdcore. `samples` of notebook 13 is a claim's own selection."""
    functions = []
    for path in NOTEBOOKS:
        content = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        tree = ast.parse("\n".join(code(content)))
        functions += {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert len(set(functions)) == len(functions)


def test_it_begins_with_a_title_and_a_story(notebook):
    """`run_all.sh --list` reads the title."""
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# [^\n\"\\]+\n\n\S", first.source)
    assert "paper" in first.source


def test_prose_stands_before_code(notebook):
    """Not more than three code cells follow each other after the imports."""
    kinds = [cell.cell_type for cell in notebook.cells[3:]]
    runs = [len(list(group)) for kind, group in itertools.groupby(kinds) if kind == "code"]
    assert max(runs) <= 3


def test_it_ends_with_one_change_to_try(notebook):
    assert notebook.cells[-1].source.startswith("## One change to try\n\n")
