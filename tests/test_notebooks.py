"""Notebooks as committed: numbered, without outputs, with parameters, short cells, and a story."""
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def test_they_are_numbered_without_gaps():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)] and len(NOTEBOOKS) >= 9


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    found = nbformat.read(request.param, as_version=4)
    nbformat.validate(found)
    return found


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_nothing_was_left_from_a_run(notebook):
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


def test_there_is_one_parameters_cell_with_profile_seed_and_out(notebook):
    (cell,) = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert [line.split(" = ")[0] for line in cell.source.splitlines()] == ["profile", "seed", "out"]


def test_cells_are_short_and_compile(notebook):
    for cell in code(notebook):
        compile(cell.source, "cell", "exec")
        assert len(cell.source.splitlines()) <= 15 and "def " not in cell.source.replace("def line(", "")


def test_each_tells_a_story_and_invites_a_change(notebook):
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert any("## One change to try" in cell.source for cell in notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"


def test_no_result_is_typed_in(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for sentence in re.split(r"(?<=[.!?])\s", cell.source.replace("\n", " ")):
                assert "paper" in sentence.lower() or not re.search(r"\d ?%", sentence.replace("95 % bootstrap", "")), sentence
