"""Run a Lean process that reads what a model wrote: no network, no writing outside its own folder, hard limits, nothing left behind.

A keeper, one small process, is started under bubblewrap where that is installed, and enters fresh namespaces once; for each request it forks a child that limits itself and becomes
Lean. Where Lean's library can be loaded (the PyPI toolchain) the keeper has it loaded and initialized, so that a child
is a clean Lean in a third of the time; it has imported nothing and seen no text. This file is both sides: imported, the
caller's; run as a script (standard library only), the keeper's.

Left out on purpose: filtering of system calls and a hidden file system (reading is allowed everywhere).
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

NEW_USER, NEW_NETWORK, NEW_IPC, NEW_HOST = 0x10000000, 0x40000000, 0x08000000, 0x04000000
POLL_SECONDS = 0.05  # how often a child's memory is looked at
WRAP = (
    "--die-with-parent",
    "--unshare-all",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
)
STDOUT, STDERR = "stdout.txt", "stderr.txt"


class SandboxError(RuntimeError):
    """The keeper could not be started or has died."""


class Finished:
    """How a process ended. `code` is its exit status, negative for a signal; `reason` is exit, cpu, wall, memory or output."""

    def __init__(
        self,
        *,
        code: int,
        reason: str,
        seconds: float,
        peak_mb: float,
        stdout: str = "",
        stderr: str = "",
    ):
        self.code, self.reason, self.seconds, self.peak_mb, self.stdout, self.stderr = (
            code,
            reason,
            seconds,
            peak_mb,
            stdout,
            stderr,
        )


class Sandbox:
    """One keeper. One request at a time: use one Sandbox a thread."""

    def __init__(self, argv: list[str], *, library: Path | None, folder: Path):
        """`argv` starts Lean; `library` is Lean's shared library to load once, or None to start `argv` afresh each time. All runs are in `folder`."""
        self.argv, self.library, self.folder = list(argv), library, folder
        self._keeper: subprocess.Popen | None = None
        self._stopped = False

    def run(
        self,
        arguments: list[str],
        *,
        folder: Path,
        env: dict[str, str],
        cpu_seconds: float,
        wall_seconds: float,
        memory_mb: int,
        file_mb: int = 64,
    ) -> Finished:
        """Run Lean with these arguments in `folder`, the only place where it may write. Raises SandboxError if the keeper dies twice."""
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "env": env,
            "cpu": cpu_seconds,
            "wall": wall_seconds,
            "memory_mb": memory_mb,
            "file_mb": file_mb,
        }
        for attempt in (1, 2):
            if self._stopped:
                raise SandboxError("the verifier is closed")
            keeper = (
                self._keeper
                if self._keeper is not None and self._keeper.poll() is None
                else self._start()
            )
            try:
                keeper.stdin.write(json.dumps(request).encode() + b"\n")
                keeper.stdin.flush()
                answer = json.loads(keeper.stdout.readline())
                break
            except (OSError, ValueError):
                self.close()
                if attempt == 2:
                    raise SandboxError(
                        "the process that starts Lean died twice in a row; is the machine out of memory?"
                    ) from None
        return Finished(**answer, stdout=_read(folder / STDOUT), stderr=_read(folder / STDERR))

    def _start(self) -> subprocess.Popen:
        config = {"argv": self.argv, "library": str(self.library) if self.library else None}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [
                *bubblewrap(self.folder),
                sys.executable,
                "-I",
                "-S",
                __file__,
                "keep",
                json.dumps(config),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        return self._keeper

    def stop(self) -> None:
        """End the keeper and what it runs from another thread, for good: who waits for it gets a SandboxError."""
        self._stopped, keeper = True, self._keeper
        if keeper is not None and keeper.poll() is None:
            keeper.kill()  # Lean dies with it

    def close(self) -> None:
        """End the keeper and whatever it runs."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.stdin.close()  # the keeper kills its child and exits when its input ends
        try:
            keeper.wait(5)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        keeper.stdout.close()


def inside(argv: list[str], folder: Path, *, memory_mb: int) -> list[str]:
    """The command that enters the sandbox and then becomes `argv`: for a long-lived process, which its owner limits in time."""
    return [
        *bubblewrap(folder),
        sys.executable,
        "-I",
        "-S",
        __file__,
        "become",
        json.dumps({"argv": argv, "folder": str(folder), "memory_mb": memory_mb}),
    ]


def bubblewrap(folder: Path) -> list[str]:
    """The start of a command that runs the rest of it under bubblewrap, writing in `folder` alone; nothing where bubblewrap does not work."""
    program = _working_bubblewrap()
    return (
        [program, *WRAP, "--bind", str(folder), str(folder), "--chdir", str(folder), "--"]
        if program
        else []
    )


@functools.cache
def _working_bubblewrap() -> str | None:
    """The program's path where it is installed and may make its namespaces, which some containers forbid."""
    program = shutil.which("bwrap")
    works = (
        program
        and subprocess.run(
            [program, *WRAP, "--", sys.executable, "-I", "-S", "-c", ""], capture_output=True
        ).returncode
        == 0
    )
    return program if works else None


@functools.cache
def active_protections() -> list[str]:
    """What protects this machine from a Lean process, found by trying it in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fdcore-") as folder:
        wrap = bubblewrap(Path(folder))
        done = subprocess.run(
            [*wrap, sys.executable, "-I", "-S", __file__, "probe", folder],
            capture_output=True,
            text=True,
            env={},
        )
    wrapped = (
        ["bubblewrap: no network, writing only in a private folder, processes, IPC and users apart"]
        if wrap
        else []
    )
    return wrapped + json.loads(done.stdout) if done.returncode == 0 else []


def require_protection(protections: Sequence[str]) -> None:
    """Raises SandboxError where text of a model could reach the network or files of ours (FD_SANDBOX=none takes that upon oneself)."""
    missing = [
        what for what in ("network", "folder") if not any(what in each for each in protections)
    ]
    if missing and os.environ.get("FD_SANDBOX") != "none":
        raise SandboxError(
            f"this machine cannot keep Lean from the {' and the '.join(missing)} (active: {', '.join(protections) or 'nothing'}); allow user namespaces and"
            " Landlock (Linux 5.13 or newer), or set FD_SANDBOX=none to run model-written proofs on Mathlib without them"
        )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


# -- the keeper's side: standard library only, no threads of its own ---------------------------------------------------


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def enter_namespaces() -> list[str]:
    """Leave the network, shared memory and privileges behind. Returns what worked."""
    libc, active = _libc(), []
    if libc.prctl(38, 1, 0, 0, 0) == 0:  # PR_SET_NO_NEW_PRIVS
        active.append("no new privileges")
    if libc.unshare(NEW_USER | NEW_NETWORK | NEW_IPC | NEW_HOST) == 0:
        active += ["no network (namespace)", "own user and IPC namespace"]
    elif libc.unshare(NEW_NETWORK) == 0:
        active.append("no network (namespace)")
    return active


def write_only_in(folder: str) -> bool:
    """Landlock: from now on this process and its children may change files in `folder` alone. False where the kernel has no Landlock."""
    libc = _libc()
    version = libc.syscall(444, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (
        0x1FF2 | (0x2000 if version >= 2 else 0) | (0x4000 if version >= 3 else 0)
    )  # write, remove, make, refer, truncate
    attributes = struct.pack("Q", rights)
    rules = libc.syscall(444, attributes, ctypes.c_size_t(len(attributes)), 0)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    beneath = struct.pack("=Qi", rights, place)
    done = (
        rules >= 0
        and libc.syscall(445, rules, 1, beneath, 0) == 0
        and libc.syscall(446, rules, 0) == 0
    )
    os.close(place)
    if rules >= 0:
        os.close(rules)
    return done


def limit(*, cpu: float | None, memory_mb: int, file_mb: int, reserve_mb: int = 8192) -> None:
    """Resource limits of this process. `reserve_mb`: address space that Lean reserves and never touches; resident memory is watched."""
    if cpu is not None:
        seconds = max(1, int(cpu + 0.999))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, ((memory_mb + reserve_mb) << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_mb << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.getuid() not in (
        0,
        65534,
    ):  # the limit counts a user's processes everywhere; for root it does nothing
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        most = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _die_with_parent(parent: int) -> None:
    _libc().prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(70)


def _keep(config: dict) -> None:
    """Serve requests, one JSON line each, until the input ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the caller, who then closes the input
    enter_namespaces()
    library = None
    if config["library"]:
        library = ctypes.CDLL(config["library"], mode=os.RTLD_NOW | os.RTLD_GLOBAL)
        library.lean_initialize()
    buffer = b""
    while True:
        while b"\n" not in buffer:
            part = os.read(0, 65536)
            if not part:
                return
            buffer += part
        line, buffer = buffer.split(b"\n", 1)
        answer = _serve(json.loads(line), config["argv"], library)
        os.write(1, json.dumps(answer).encode() + b"\n")


def _serve(request: dict, argv: list[str], library) -> dict:
    started, keeper = time.monotonic(), os.getpid()
    child = os.fork()
    if child == 0:
        _be_lean(request, argv, library, keeper)
    reason, peak = "exit", 0.0
    watch = select.poll()
    handle = os.pidfd_open(child)
    watch.register(handle, select.POLLIN)
    watch.register(0, 0)  # only its hang-up: the caller is gone
    while True:
        events = watch.poll(POLL_SECONDS * 1000)
        if any(fd == handle for fd, _ in events):
            break
        peak = max(peak, _resident_mb(child))
        if events or time.monotonic() - started > request["wall"]:
            reason = "wall"
        elif peak > request["memory_mb"]:
            reason = "memory"
        else:
            continue
        _kill_group(child)
        break
    _, status, usage = os.wait4(child, 0)
    os.close(handle)
    _kill_group(child)  # whatever the child has started
    code = os.waitstatus_to_exitcode(status)
    if reason == "exit" and (
        code == -signal.SIGXCPU
        or (code == -signal.SIGKILL and usage.ru_utime + usage.ru_stime >= request["cpu"])
    ):
        reason = "cpu"
    if reason == "exit" and code == -signal.SIGXFSZ:
        reason = "output"
    return {
        "code": code,
        "reason": reason,
        "seconds": round(time.monotonic() - started, 4),
        "peak_mb": round(max(peak, usage.ru_maxrss / 1024), 1),
    }


def _be_lean(request: dict, argv: list[str], library, keeper: int) -> None:
    """In the child: become Lean. Never returns."""
    try:
        os.setsid()
        _die_with_parent(keeper)
        os.chdir(request["folder"])
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        for number, path, how in (
            (0, os.devnull, os.O_RDONLY),
            (1, STDOUT, flags),
            (2, STDERR, flags),
        ):
            os.dup2(os.open(path, how, 0o600), number)
        limit(cpu=request["cpu"], memory_mb=request["memory_mb"], file_mb=request["file_mb"])
        write_only_in(request["folder"])
        os.environ.clear()
        os.environ.update(request["env"], TMPDIR=request["folder"], HOME=request["folder"])
        if library is None:
            os.execve(argv[0], [*argv, *request["arguments"]], dict(os.environ))
        words = [b"lean", *(word.encode() for word in request["arguments"])]
        os._exit(
            library.lean_main(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None)) & 0xFF
        )
    except BaseException as error:  # noqa: BLE001 - nothing of the keeper may go on in the child
        os.write(2, f"sandbox: {error}\n".encode())
    finally:
        os._exit(71)


def _resident_mb(child: int) -> float:
    try:
        with open(f"/proc/{child}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


def _kill_group(child: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _become(config: dict) -> None:
    _die_with_parent(os.getppid())
    enter_namespaces()
    limit(
        cpu=None, memory_mb=config["memory_mb"], file_mb=64, reserve_mb=1 << 17
    )  # a server has many threads, each reserves much
    os.chdir(config["folder"])
    write_only_in(config["folder"])
    os.execve(config["argv"][0], config["argv"], dict(os.environ))


def _probe(folder: str) -> list[str]:
    active = enter_namespaces()
    limit(cpu=10, memory_mb=256, file_mb=1)
    active.append("limits on CPU time, wall time, memory, file size and output")
    if os.getuid() not in (0, 65534):
        active.append("limit on processes")
    if write_only_in(folder):
        active.append("writing only in a private folder (Landlock)")
    return active


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        _keep(json.loads(sys.argv[2]))
    elif sys.argv[1] == "become":
        _become(json.loads(sys.argv[2]))
    elif sys.argv[1] == "probe":
        print(json.dumps(_probe(sys.argv[2])))
