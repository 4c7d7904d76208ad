"""Notebooks as committed: numbered, without outputs, with parameters, short cells, and a story. Running them is the smoke test's part."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LONGEST = 15  # lines of a code cell: the work is in fdcore


def test_they_are_numbered_without_gaps():
    assert len(NOTEBOOKS) >= 9
    assert [path.name[:3] for path in NOTEBOOKS] == [
        f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)
    ]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    found = nbformat.read(request.param, as_version=nbformat.NO_CONVERT)
    nbformat.validate(found)
    return found


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_format_is_4_5_with_an_id_for_each_cell(notebook):
    ids = [cell["id"] for cell in notebook.cells]
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len(set(ids)) == len(ids)


def test_the_kernel_is_called_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_nothing_was_left_from_a_run(notebook):
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


def test_the_second_cell_holds_the_parameters_profile_seed_and_out(notebook):
    assert [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])] == [
        notebook.cells[1]
    ]
    values = {
        line.targets[0].id: ast.literal_eval(line.value)
        for line in ast.parse(notebook.cells[1].source).body
    }
    assert values == {"profile": "tiny", "seed": None, "out": None}


def test_the_third_cell_opens_the_study_of_these_parameters(notebook):
    assert "study = Study(profile, seed=seed, out=out)" in notebook.cells[2].source.splitlines()


def test_cells_are_short_and_compile(notebook):
    for cell in code(notebook):
        compile(cell.source, "cell", "exec")
        assert len(cell.source.splitlines()) <= LONGEST, cell.source


def test_a_cell_defines_nothing_but_the_line_of_its_table(notebook):
    for cell in code(notebook):
        defined = [
            node.name
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]
        assert defined in ([], ["line"]), cell.source


def test_every_import_is_used(notebook):
    text = "\n".join(cell.source for cell in code(notebook))
    tree = ast.parse(text)
    imported = {
        (alias.asname or alias.name)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert imported <= used


def test_figures_are_shown_as_the_files_that_were_saved(notebook):
    """A matplotlib figure made outside pyplot, as a cell's last value, shows nothing but its name."""
    for cell in code(notebook):
        last = ast.parse(cell.source).body[-1]
        assert not (
            isinstance(last, ast.Expr)
            and isinstance(last.value, ast.Name)
            and last.value.id == "figure"
        ), cell.source


def test_it_begins_with_a_title_and_a_story(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and re.match(
        r"# [^\n\"\\]+\n\n\S", first.source
    )  # run_all.sh --list reads the title
    assert "paper" in first.source


def test_it_ends_with_one_change_to_try(notebook):
    assert notebook.cells[-1].source.startswith("## One change to try\n\n")


def test_no_result_is_typed_in(notebook):
    """Numbers in the prose are the paper's and the sentence says so, or the level of an interval."""
    for text in prose(notebook):
        for sentence in re.split(
            r"(?<=[.!?])\s", text.replace("\n", " ").replace("95 % bootstrap", "")
        ):
            assert "paper" in sentence.lower() or not re.search(
                r"\d\s?%|\d\.\d|(?<![\w.])\.\d", sentence
            ), sentence
