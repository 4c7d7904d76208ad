"""The sandbox, with hostile programs inside: what they cannot reach, and what is left of them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fdcore.lean import sandbox
from fdcore.lean.sandbox import SandboxError, active_protections, inside, require_protection

TRIED = """
def tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"
"""


def start(folder: Path, code: str, memory_mb: int = 512, readable=()) -> subprocess.Popen:
    """A Python program in the sandbox."""
    argv = [os.path.realpath(sys.executable), "-I", "-S", "-c", TRIED + code]
    command = inside(argv, folder, memory_mb=memory_mb, readable=readable)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, code: str, **limits) -> tuple[int, str]:
    """(exit code, what it printed) of a Python program in the sandbox."""
    process = start(folder, code, **limits)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output or errors


def needs(protection: str) -> None:
    """Skip a test where this machine has no such protection."""
    if not any(protection in active for active in active_protections()):
        pytest.skip(f"no {protection} here: {active_protections()}")


def test_the_active_protections_are_reported():
    assert any("limits" in protection for protection in active_protections())


def test_mathlib_is_refused_where_nothing_keeps_lean_in(monkeypatch):
    monkeypatch.delenv("FD_SANDBOX", raising=False)
    protections = ["no network (namespace)", "reading and writing only in a private folder"]
    require_protection(protections)
    with pytest.raises(SandboxError, match="FD_SANDBOX=none"):
        require_protection(protections[:1])
    monkeypatch.setenv("FD_SANDBOX", "none")
    require_protection([])


def test_a_program_runs_in_its_folder_and_ends_with_its_own_code(tmp_path):
    code = "import os, sys; print(os.getcwd()); sys.exit(3)"
    assert run(tmp_path, code) == (3, f"{tmp_path}\n")


def test_there_is_no_network(tmp_path):
    needs("network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"socket.create_connection(('127.0.0.1', {port}), 2)"
        code = f"import socket; print(tried(lambda: {connect}))"
        assert run(tmp_path, code)[1] != "done\n"


def test_no_program_is_reached_by_a_socket_file(tmp_path):
    needs("no socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        code = "import socket; print(tried(lambda: socket.socket(socket.AF_UNIX)))"
        assert run(tmp_path, code)[1] == "PermissionError\n"


def test_files_are_changed_in_the_folder_and_nowhere_else(tmp_path):
    needs("Landlock")
    folder, kept = tmp_path / "folder", tmp_path / "kept"
    folder.mkdir()
    kept.write_text("kept")
    code = f"""
import os
open("new", "w").write("x")
for act in (
    lambda: open({str(tmp_path / "other")!r}, "w"),
    lambda: open({str(kept)!r}, "a"),
    lambda: os.remove({str(kept)!r}),
    lambda: os.mkdir({str(tmp_path / "other")!r}),
    lambda: os.rename("new", {str(tmp_path / "other")!r}),
):
    print(tried(act))
"""
    code, output = run(folder, code)
    assert (code, "done" in output) == (0, False), output
    assert (folder / "new").exists() and kept.read_text() == "kept"
    assert not (tmp_path / "other").exists()


UNCOUNTED = {
    "a folder": "os.mkdir('d')",
    "a folder, by descriptor": "os.mkdir('d', dir_fd=os.open('.', os.O_RDONLY))",
    "a file that is removed": "os.unlink('f')",
    "space without a write": "os.posix_fallocate(os.open('f', os.O_RDWR), 0, 1 << 20)",
    "a file without a name": "os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "a link": "os.symlink('f', 'l')",
    "a folder that nobody lists": "os.chmod('.', 0o300)",
    "an attribute": "os.setxattr('f', 'user.x', b'x' * 1000)",
    "a file in memory": "os.memfd_create('m')",
    "memory that is shared": "mmap.mmap(-1, 1 << 20)",
    "memory of System V": "check(libc.shmget(0, 1 << 20, 0o1600))",
    "messages of System V": "check(libc.msgget(0, 0o1600))",
    "life after the keeper": "check(libc.prctl(1, 0, 0, 0, 0))",
}


@pytest.mark.parametrize("act", UNCOUNTED.values(), ids=UNCOUNTED)
def test_nothing_is_made_that_the_keeper_cannot_count(tmp_path, act):
    needs("seccomp")
    code = f"""
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def check(answer):
    if answer < 0:
        raise OSError(ctypes.get_errno(), "")
open("f", "w").close(); open("g", "w").close()
print(tried(lambda: {act}))
"""
    assert run(tmp_path, code) == (0, "PermissionError\n")


def test_files_that_others_replace_count_as_written(tmp_path):
    code = """
import os
held = []
while True:
    with open("a", "wb") as file:
        file.write(bytes(60 << 20))
    held.append(open("a")); open("b", "w").close(); os.rename("b", "a")
"""
    assert run(tmp_path, code)[0] == sandbox.TOO_MUCH_DISK


def test_threads_without_number_count_as_memory(tmp_path):
    """Their stacks in the kernel are nobody's resident memory."""
    code = """
import threading, time
threading.stack_size(32768)
while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""
    assert run(tmp_path, code, memory_mb=64)[0] == sandbox.TOO_MUCH_MEMORY


def test_a_folder_that_cannot_be_listed_is_too_much(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root lists every folder")
    tmp_path.chmod(0o300)
    assert sandbox.is_over_disk(str(tmp_path))
    tmp_path.chmod(0o700)


def test_no_signal_of_a_program_reaches_its_keeper(tmp_path):
    needs("namespaces of ids")
    mark = f"time.sleep(60 + {random.random()})"
    code = (
        f"import os, time; print(tried(lambda: os.kill(1, 9)), flush=True); os.kill(0, 9); {mark}"
    )
    process = start(tmp_path, code)
    assert process.stdout.readline() == "done\n"  # and the first process goes on
    assert process.wait(20) == 256 - signal.SIGKILL and not marked(mark)


def test_modes_times_and_attributes_outside_cannot_be_changed(tmp_path):
    needs("mount namespace")
    folder, kept = tmp_path / "folder", tmp_path / "kept"
    folder.mkdir()
    kept.write_text("kept")
    before = kept.stat()
    code = f"""
import os
print(tried(lambda: os.chmod({str(kept)!r}, 0o777)))
print(tried(lambda: os.utime({str(kept)!r}, (0, 0))))
print(tried(lambda: os.setxattr({str(kept)!r}, "user.x", b"x")))
"""
    assert "done" not in run(folder, code)[1]
    assert (kept.stat().st_mode, kept.stat().st_mtime) == (before.st_mode, before.st_mtime)


def test_nothing_is_read_but_what_is_allowed(tmp_path):
    needs("Landlock")
    folder, secret, library = (tmp_path / name for name in ("folder", "secret", "library"))
    folder.mkdir()
    library.mkdir()
    (library / "a.olean").write_text("library")
    secret.write_text("secret")
    code = f"""
import os
print(open({str(library / "a.olean")!r}).read())
for path in ({str(secret)!r}, "/etc/passwd", "/proc/1/environ", "/proc/{os.getpid()}/environ"):
    print(tried(lambda: print(open(path).read())))
print(tried(lambda: print(os.listdir({str(tmp_path)!r}))))
"""
    _, output = run(folder, code, readable=[library])
    assert output.startswith("library\n") and "secret" not in output and "root:" not in output
    assert output.count("done") <= 1, output  # of /proc/1, which is the program itself


def test_nobody_outside_can_be_signalled(tmp_path):
    needs("namespaces of ids")
    victim = subprocess.Popen(["sleep", "60"])
    code = f"import os; print(tried(lambda: os.kill({victim.pid}, 9)))"
    assert run(tmp_path, code)[1] == "ProcessLookupError\n"
    code = "import os; print(tried(lambda: os.kill(-1, 9)))"
    run(tmp_path, code)
    assert victim.poll() is None
    victim.kill()


def test_no_process_can_be_started(tmp_path):
    needs("seccomp")
    code = """
import os
print(tried(os.fork), tried(lambda: os.posix_spawn("/bin/true", ["true"], {})))
import threading
t = threading.Thread(target=print, args=("a thread runs",)); t.start(); t.join()
"""
    _, output = run(tmp_path, code)
    assert "done" not in output and "a thread runs" in output


def test_what_a_program_starts_ends_with_it(tmp_path, monkeypatch):
    """Where seccomp is missing, the namespace of process ids still ends all at once."""
    needs("namespaces of ids")
    script = tmp_path / "without_seccomp.py"
    script.write_text(
        Path(sandbox.__file__).read_text().replace("        forbid_processes()\n", "")
    )
    monkeypatch.setattr(sandbox, "__file__", str(script))
    mark = f"time.sleep(60 + {random.random()})"
    code = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        import time; {mark}
    os._exit(0)
"""
    run(tmp_path, code)
    deadline = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


def marked(mark: str) -> list[int]:
    """Processes whose command line holds a mark."""
    processes = psutil.process_iter(["cmdline"])
    return [p.pid for p in processes if any(mark in word for word in p.info["cmdline"] or [])]


def test_memory_counts_over_all_descendants(tmp_path, monkeypatch):
    script = tmp_path / "without_seccomp.py"
    script.write_text(
        Path(sandbox.__file__).read_text().replace("        forbid_processes()\n", "")
    )
    monkeypatch.setattr(sandbox, "__file__", str(script))
    code = (
        "import os, time\nos.fork(); os.fork()\nx = bytearray(b'x' * (150 << 20)); time.sleep(30)"
    )
    started = time.monotonic()
    assert run(tmp_path, code, memory_mb=400)[0] == sandbox.TOO_MUCH_MEMORY
    assert time.monotonic() - started < 20


def test_too_much_memory_and_too_much_disk_end_a_program_with_the_reason(tmp_path):
    eat = "x = []\nwhile True: x.append(bytearray(b'x' * 2**20))"
    assert run(tmp_path, eat, memory_mb=100)[0] == sandbox.TOO_MUCH_MEMORY
    fill = "n = 0\nwhile True:\n    n += 1\n    open(f'f{n}', 'wb').write(bytes(8 << 20))"
    started = time.monotonic()
    assert run(tmp_path, fill)[0] == sandbox.TOO_MUCH_DISK
    assert time.monotonic() - started < 30
    many = "n = 0\nwhile True:\n    n += 1\n    open(f'g{n}', 'w').close()"
    for file in tmp_path.iterdir():
        file.unlink()
    assert run(tmp_path, many)[0] == sandbox.TOO_MUCH_DISK


def test_one_file_has_a_limit(tmp_path):
    code = "print(tried(lambda: open('big', 'wb').write(bytes(65 << 20))))"
    assert run(tmp_path, code)[1] != "done\n"
    assert (tmp_path / "big").stat().st_size <= sandbox.FILE_MB << 20


def test_a_program_ends_with_its_keeper_and_with_its_caller(tmp_path):
    mark = f"time.sleep(60 + {random.random()})"
    process = start(tmp_path, f"import time; print(1, flush=True); {mark}")
    assert process.stdout.readline() == "1\n"
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert children and not psutil.wait_procs(children, timeout=5)[1]
