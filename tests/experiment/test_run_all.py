"""`./run_all.sh` from outside: what it says on a bare machine, how it sets up, and one whole run.

Set-up is tested with the real script and pip in a tree that pins two tiny packages, offline.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
import yaml

MEASURED = ("base/*.jsonl", "arms/**/metrics.jsonl", "arms/**/eval_*.jsonl")

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "fdcore" / "requirements-cpu.lock"
ARMS = ("fd", "grpo", "grpo_from_fd_1", "grpo_from_fd_2", "grpo_from_fd_3")


def run_all(
    *arguments: str, root: Path = ROOT, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "run_all.sh", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd="/usr",
    )


# -- answers on a bare machine: no Python, no environment ------------------------------------------
def bare(*arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    venv = tmp_path / "never"
    answer = run_all(
        *arguments, FD_VENV=str(venv), FD_PYTHON="/nowhere/python", PATH="/usr/bin:/bin"
    )
    assert not venv.exists()
    return answer


def test_help_names_every_option_and_needs_nothing_installed(tmp_path):
    answer = bare("--help", tmp_path=tmp_path)
    assert answer.returncode == 0
    own = ("--plan", "--check", "--list", "--test", "FD_VENV", "FD_PYTHON")
    for option in ("--profile", "--only", "--from", "--out", "--seed", "--set", *own):
        assert option in answer.stdout


def test_the_list_shows_all_profiles_and_notebooks_and_needs_nothing_installed(tmp_path):
    listed = bare("--list", tmp_path=tmp_path).stdout
    for path in (*(ROOT / "fdcore/profiles").glob("*.yaml"), *(ROOT / "notebooks").glob("*.ipynb")):
        assert re.search(rf"^  {re.escape(path.stem)} +\w", listed, re.MULTILINE), path


@pytest.mark.parametrize("options", [("--plan", "--check"), ("--list", "--test")])
def test_options_that_exclude_each_other_are_refused(options, tmp_path):
    answer = bare(*options, tmp_path=tmp_path)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert all(option in answer.stderr for option in options)


# -- set-up ----------------------------------------------------------------------------------------
def wheel(folder: Path, name: str, version: str = "1.0") -> None:
    """A package of one line, as a wheel."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"version = '{version}'\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")


PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "fdcore"
version = "1.0"
"""
BACKEND = """import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    files = {
        "fdcore.pth": str(pathlib.Path.cwd()),
        "fdcore-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: fdcore\\nVersion: 1.0\\n",
        "fdcore-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n",
        "fdcore-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(pathlib.Path(folder) / "fdcore-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return "fdcore-1.0-py3-none-any.whl"
"""


def new_tree(root: Path) -> Path:
    """The script in a tree whose `fdcore` prints what it was called with."""
    (root / "fdcore").mkdir(parents=True)
    shutil.copy(ROOT / "run_all.sh", root)
    (root / "fdcore/__main__.py").write_text(
        "import json, os, sys, alpha, beta\nprint(json.dumps([alpha.version, *sys.argv[1:]]))\n"
        "print(os.environ.get('FD_PROFILE'), file=sys.stderr)\n"
    )
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "fdcore/requirements-cpu.lock").write_text("alpha==1.0\nbeta==1.0\n")
    (root / "environment.yml").write_text("      - alpha==1.0\n      - beta==1.0\n")
    wheel(root / "wheels", "alpha")
    wheel(root / "wheels", "beta")
    return root


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    return new_tree(tmp_path / "tree")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = new_tree(tmp_path_factory.mktemp("finished") / "tree")
    assert handed_over(set_up(root))[0] == "1.0"
    return root


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """A tree of this test's own, whose set-up is complete."""
    return Path(shutil.copytree(finished, tmp_path / "tree", symlinks=True))


def set_up(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    offline = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": "",
        "PIP_FIND_LINKS": str(tree / "wheels"),
        "FD_VENV": "",
    }
    return run_all(*arguments, root=tree, **(offline | environment))


def handed_over(answer: subprocess.CompletedProcess[str]) -> list[str]:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_the_second_run_installs_nothing_and_goes_straight_on(tree):
    log = (tree / ".venv/install.log").read_text()
    again = set_up(tree)
    assert len(again.stdout.splitlines()) == 1 and (tree / ".venv/install.log").read_text() == log


@pytest.mark.parametrize(
    "options, command",
    [
        ([], ["run"]),
        (["--only", "03", "01_one"], ["run", "--only", "03", "01_one"]),
        (
            ["--seed=7", "--out", "a b", "--set", "x.y=1"],
            ["run", "--seed=7", "--out", "a b", "--set", "x.y=1"],
        ),
        (["--profile", "tiny", "--plan"], ["plan", "--profile", "tiny"]),
        (["--check"], ["check"]),
    ],
)
def test_every_option_is_handed_on_to_fdcore(tree, options, command):
    assert handed_over(set_up(tree, *options))[1:] == command


def test_an_interrupted_installation_is_noticed_and_completed(tree):
    (site,) = (tree / ".venv").glob("lib/python3*/site-packages")
    (tree / ".venv/installed.lock").unlink()  # killed before the end ...
    (site / "beta-1.0.dist-info/INSTALLER").unlink()  # ... in the middle of a package
    (site / "beta.py").unlink()
    answer = set_up(tree)
    assert "installing 2 pinned packages" in answer.stdout and handed_over(answer)[0] == "1.0"


def test_a_changed_lock_is_installed(tree):
    wheel(tree / "wheels", "alpha", "2.0")
    for file in (tree / "fdcore/requirements-cpu.lock", tree / "environment.yml"):
        file.write_text(file.read_text().replace("alpha==1.0", "alpha==2.0"))
    assert handed_over(set_up(tree))[0] == "2.0"


def test_without_network_one_line_says_so_and_the_next_run_completes(bare_tree):
    answer = set_up(
        bare_tree, PIP_NO_INDEX="", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/simple"
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("run_all.sh: pip failed: ") and answer.stderr.count("\n") == 1
    assert handed_over(set_up(bare_tree))[0] == "1.0"


def test_without_a_fitting_python_one_line_says_which_is_needed(bare_tree):
    answer = set_up(bare_tree, FD_PYTHON="/bin/false")
    assert answer.returncode == 1 and not (bare_tree / ".venv").exists()
    assert "needs Python 3.11, 3.12 or 3.13" in answer.stderr and answer.stderr.count("\n") == 1


def test_a_python_may_stand_in_a_folder_with_a_blank(bare_tree, tmp_path):
    python = tmp_path / "a blank" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert handed_over(set_up(bare_tree, FD_PYTHON=str(python)))[0] == "1.0"


def test_a_folder_that_is_not_ours_is_left_alone(tree, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("kept")
    answer = set_up(tree, FD_VENV=str(tmp_path / "precious"))
    assert answer.returncode == 2 and "was not made by this script" in answer.stderr
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["file"]


def test_a_gpu_is_seen_at_every_start(tree):
    """Its program prints a line a GPU, and a reader that leaves early would end it by a signal."""
    program = tree / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nfor n in 0 1 2 3 4 5 6 7; do echo GPU $n; done\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    for _ in range(5):
        assert set_up(tree, PATH=path).stderr == "paper-lora\n"
    assert set_up(tree, PATH=path, FD_PROFILE="mine").stderr == "mine\n"
    assert set_up(tree).stderr == "None\n"


# -- pins ------------------------------------------------------------------------------------------
def lock_pins() -> set[str]:
    return {line for line in LOCK.read_text().splitlines() if not line.startswith("#")}


def test_every_line_of_the_lock_is_an_exact_pin():
    assert [
        line for line in lock_pins() if line.count("==") == 0 or ">" in line.split(";")[0]
    ] == []


def test_environment_yml_begins_with_the_lock_line_by_line_and_pins_no_package_twice():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pins = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    lock = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert pins[: len(lock)] == lock
    assert pins[-1] == "-e ." and all("==" in pin for pin in pins[:-1])
    names = [
        (pin.split("==")[0].lower().replace("_", "-"), pin.partition(";")[2]) for pin in pins[:-1]
    ]
    assert len(names) == len(set(names)) and {"vllm", "ray"} <= {name for name, _ in names}


# -- notebooks, for real ---------------------------------------------------------------------------
def notebook(path: Path, *cells: str) -> Path:
    import nbformat.v4 as v4

    parameters = v4.new_code_cell(
        "profile = 'tiny'\nseed = 0\nout = ''", metadata={"tags": ["parameters"]}
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(
        v4.writes(
            v4.new_notebook(cells=[parameters, *map(v4.new_code_cell, cells)], metadata=kernel)
        )
    )
    return path


@pytest.mark.parametrize("place", ["run", "a {x} {} ∀ 'q' [$b]"])
def test_a_notebook_runs_in_this_python_with_its_parameters_and_shows_its_output(
    place, tmp_path, capfd, monkeypatch
):
    from fdcore.experiment.notebooks import run_notebooks

    (tmp_path / place).mkdir()
    (tmp_path / ("t" * 120)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 120)))
    story = notebook(
        tmp_path / place / "01_story.ipynb", "import sys; print(sys.prefix, profile, seed, out)"
    )
    out = tmp_path / place / "out"
    run_notebooks([story], profile="tiny", seed=3, out=out)
    shown = f"{sys.prefix} tiny 3 {out}"
    assert shown in capfd.readouterr().out
    assert json.dumps(shown)[1:-1] in json.dumps(
        json.loads((out / "notebooks/01_story.ipynb").read_text())
    )
    assert [path.name for path in (out / "notebooks").iterdir()] == ["01_story.ipynb"]


@pytest.mark.parametrize(
    "cell, told",
    [
        (
            "raise ValueError('the reason\\nand details')",
            "01_bad failed in cell [3]: ValueError: the reason (executed copy: ",
        ),
        ("raise OSError(28, 'No space left on device')", "No space left on device"),
        ("import os; os.kill(os.getpid(), 9)", "01_bad: its process was ended by a signal"),
    ],
)
def test_a_failing_notebook_ends_the_run_with_one_clear_line(cell, told, tmp_path):
    from fdcore.experiment.notebooks import NotebookFailed, run_notebooks

    bad = notebook(tmp_path / "01_bad.ipynb", cell)
    after = notebook(tmp_path / "02_after.ipynb")
    with pytest.raises(NotebookFailed) as failure:
        run_notebooks([bad, after], profile="tiny", seed=0, out=tmp_path / "run")
    assert told in str(failure.value) and "\n" not in str(failure.value)
    assert not (tmp_path / "run/notebooks/02_after.ipynb").exists()


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_an_interruption_leaves_one_line_and_no_process(signal, tmp_path):
    import signal as signals

    notebook(tmp_path / "01_long.ipynb", "import subprocess; subprocess.run(['sleep', '300'])")
    (tmp_path / "run/notebooks").mkdir(parents=True)
    (tmp_path / "run/notebooks/01_long.ipynb").write_text("of an earlier run")
    program = (
        "import pathlib, sys; from fdcore.experiment import notebooks\n"
        "here = pathlib.Path(sys.argv[1]); names = [here / '01_long.ipynb']\n"
        "notebooks.run_notebooks(names, profile='tiny', seed=0, out=here / 'run')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    below: list[psutil.Process] = []
    while not any("300" in child.cmdline() for child in below):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
        below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(getattr(signals, signal))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "fdcore: interrupted; run the same command again to go on"
    assert "Traceback" not in errors and not any(child.is_running() for child in below)
    assert {path.name for path in tmp_path.iterdir()} == {"01_long.ipynb", "run"}, (
        "sockets of the kernel were left beside the notebook"
    )
    assert (tmp_path / "run/notebooks/01_long.ipynb").read_text() == "of an earlier run"
    assert len([*(tmp_path / "run/notebooks").iterdir()]) == 1


# -- the whole pipeline ----------------------------------------------------------------------------
@pytest.mark.smoke
def test_the_smoke_profile_runs_from_the_shell_to_figures_and_claims(tmp_path):
    answer = run_all(
        "--profile",
        "smoke",
        "--out",
        str(tmp_path),
        "--seed",
        "0",
        FD_VENV=sys.prefix,
        timeout=1500,
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
    assert "Profile smoke: " in answer.stdout.partition("[1/")[0]  # what is ahead comes first
    for arm in ARMS:
        rows = [
            json.loads(line)
            for line in (tmp_path / f"arms/{arm}/metrics.jsonl").read_text().splitlines()
        ]
        assert rows and [row["step"] for row in rows] == list(
            range(rows[0]["step"], rows[0]["step"] + len(rows))
        )
    for figure in ("base", "figure_1", "figure_2", "figure_3"):
        assert list((tmp_path / "figures").glob(f"{figure}*.pdf")) and list(
            (tmp_path / "figures").glob(f"{figure}*.png")
        )
    claims = json.loads((tmp_path / "figures/claims.json").read_text())
    assert all(claim in json.dumps(claims) for claim in ("C1", "C2", "C3", "C4"))
    executed = {path.name for path in (tmp_path / "notebooks").glob("*.ipynb")}
    assert executed == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    noted = {
        json.loads(line)["record"] for line in (tmp_path / "origins.jsonl").read_text().splitlines()
    }
    made = {
        str(path.relative_to(tmp_path)) for pattern in MEASURED for path in tmp_path.glob(pattern)
    }
    assert made and made <= noted  # where each of them comes from
