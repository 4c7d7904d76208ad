"""Every notebook works from a fresh clone: on the published records and the shipped student."""

import shutil

import papermill
import pytest

from fdcore.experiment.notebooks import find_notebooks, needs_weights
from fdcore.experiment.study import FIGURES, Study
from fdcore.profile import load_profile

SECONDS = 90  # a cell
PROFILE = Study("", out=FIGURES).profile.name


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A copy of what the repository shows, since notebooks draw into it."""
    folder = tmp_path_factory.mktemp("clone") / "figures"
    return shutil.copytree(FIGURES, folder, ignore=shutil.ignore_patterns("*.png", "*.pdf"))


@pytest.mark.parametrize("notebook", find_notebooks([]), ids=lambda path: path.stem)
def test_it_works_on_published_records(notebook, published, tmp_path):
    if needs_weights(notebook) and load_profile(PROFILE).model.source is None:
        pytest.skip("no student is shipped")
    before = sorted(path.stat().st_mtime_ns for path in (published / "records").rglob("*"))
    papermill.execute_notebook(
        notebook,
        tmp_path / notebook.name,
        {"profile": PROFILE, "out": str(published)},
        kernel_name="python3",
        cwd=str(notebook.parent),
        progress_bar=False,
        execution_timeout=SECONDS,
    )
    assert before == sorted(path.stat().st_mtime_ns for path in (published / "records").rglob("*"))
