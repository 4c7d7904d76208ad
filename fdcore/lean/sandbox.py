"""Run a program on what a model wrote: no network, no other process, no file of ours.

This file is both sides. Imported, it gives the command that starts a process inside, and says what
protects this machine. Run as a script (standard library only), it is the *keeper*, which enters
namespaces, forks, and watches; the child shuts itself in and becomes the program:

- namespaces: a network of its own without a way out; process ids of its own, so that it can signal
  nobody outside, and all that it started ends with it; every file system read-only but for one
  private folder;
- Landlock: it reads the toolchain, the library and the system's libraries, and changes the private
folder alone;
- seccomp: it starts threads but no process, so limits of one process are those of all;
- limits on address space, file size and open files; the keeper looks at memory and disk of the
whole group.

Time is the caller's to watch. Left out on purpose: machines that are no Linux.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import platform
import resource
import select
import signal
import stat
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

POLL_SECONDS = 0.1  # how often the keeper looks at memory and disk
FILE_MB, DISK_MB, MAX_FILES = 64, 256, 2000  # one file, all files of the folder, their number
STACK_MB = 512  # of the main thread: Lean's parser is recursive; reserved, not used
RESERVE_MB = 1 << 17  # address space beyond the memory: threads reserve much and touch little
TOO_MUCH_MEMORY, TOO_MUCH_DISK = 81, 82  # exit codes of the keeper
NEW_MOUNT, NEW_HOST, NEW_IPC = 0x00020000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
# Landlock's rights to files, and to what stands in a folder
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL = 1, 2, 4, 8, 1 << 14, 1 << 15
READ, ALL = EXECUTE | READ_FILE | READ_DIR, (1 << 13) - 1
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL
CLONE_THREAD = 0x00010000
# seccomp, by machine: its number, `clone`, and calls that start processes or reach into others
SYSTEM_CALLS = {
    "x86_64": (0xC000003E, 56, (57, 58, 101, 155, 161, 165, 166, 248, 249, 250, 272, 298, 308)),
    "aarch64": (0xC00000B7, 220, (39, 40, 41, 51, 97, 117, 217, 218, 219, 241, 268)),
}
MORE_CALLS = {  # and sockets, which reach other programs by a file's name
    "x86_64": (310, 311, 321, 323, 41, 42, 53),
    "aarch64": (270, 271, 280, 282, 198, 203, 199),
}
NEW_CALLS = (425, *range(428, 434), 438, 442)  # the same everywhere: io_uring, mounting
CLONE3, X32 = 435, 0x40000000
EPERM, ENOSYS = 1, 38


class SandboxError(RuntimeError):
    """This machine cannot keep a process in."""


def inside(
    argv: list[str], folder: Path, *, memory_mb: int, readable: Sequence[Path] = ()
) -> list[str]:
    """The command that enters the sandbox and becomes `argv`.

    Args:
        argv: the program and its arguments.
        folder: the only place where it may write.
        memory_mb: resident memory of the program and of all that it starts.
        readable: what it may read, beside the system's libraries and Python's.
    """
    paths = [str(path) for path in readable]
    config = {"argv": argv, "folder": str(folder), "memory_mb": memory_mb, "readable": paths}
    return [sys.executable, "-I", "-S", __file__, "keep", json.dumps(config)]


@functools.cache
def active_protections() -> list[str]:
    """What protects this machine from a process inside, found by trying it."""
    with tempfile.TemporaryDirectory(prefix="fdcore-") as folder:
        command = [sys.executable, "-I", "-S", __file__, "probe", folder]
        ended = subprocess.run(command, capture_output=True, text=True, env={})
    return json.loads(ended.stdout) if ended.returncode == 0 else []


def require_protection(protections: Sequence[str]) -> None:
    """Refuse to run where text of a model could reach the network or our files.

    Raises:
        SandboxError: with what is missing; FD_SANDBOX=none takes that upon oneself.
    """
    wanted = {"network": "network", "folder": "private folder"}
    missing = [
        word for word, sign in wanted.items() if not any(sign in each for each in protections)
    ]
    if missing and os.environ.get("FD_SANDBOX") != "none":
        raise SandboxError(
            f"this machine cannot keep Lean from the {' and the '.join(missing)} (active: "
            f"{', '.join(protections) or 'nothing'}); allow user namespaces and Landlock (Linux "
            "5.13 or newer), or set FD_SANDBOX=none to run model-written proofs without them"
        )


# -- the keeper's side: standard library only, no threads --------------------------------------


def keep(config: dict) -> int:
    """Fork the program, watch it, end with its exit code."""
    caller = os.getppid()
    _die_with_parent()
    if os.getppid() != caller:
        return 70
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller
    enter_namespaces()
    keeper = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        _become(config, keeper)
    for number in (0, 1):  # the streams are the child's
        os.close(number)
    watched = select.poll()
    watched.register(os.pidfd_open(child), select.POLLIN)
    code = 0
    while not watched.poll(POLL_SECONDS * 1000):
        if resident_mb(child) > config["memory_mb"]:
            code = TOO_MUCH_MEMORY
        elif is_over_disk(config["folder"]):
            code = TOO_MUCH_DISK
        if code:
            os.kill(child, signal.SIGKILL)
            break
    _, status = os.waitpid(child, 0)
    return code or os.waitstatus_to_exitcode(status) & 0xFF


def _become(config: dict, keeper: int) -> None:
    """In the child: shut oneself in and become the program. Never returns."""
    try:
        _die_with_parent()
        if select.select([keeper], [], [], 0)[0]:  # the keeper has died meanwhile
            os._exit(70)
        mount_read_only(config["folder"])
        os.chdir(config["folder"])  # only now: the folder lies in the new mount
        limit(config["memory_mb"])
        restrict_files(config["folder"], config["readable"])
        forbid_processes()
        environment = os.environ | {"TMPDIR": config["folder"], "HOME": config["folder"]}
        os.execve(config["argv"][0], config["argv"], environment)
    except BaseException as error:  # noqa: BLE001 - nothing of the keeper may go on in the child
        os.write(2, f"sandbox: {error}\n".encode())
    finally:
        os._exit(71)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc().prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def enter_namespaces() -> list[str]:
    """Leave network, IPC and privileges behind; the next child has process ids of its own."""
    libc, active = _libc(), []
    if libc.prctl(38, 1, 0, 0, 0) == 0:  # PR_SET_NO_NEW_PRIVS
        active.append("no new privileges")
    most = NEW_NETWORK | NEW_IPC | NEW_HOST | NEW_PID
    if libc.unshare(NEW_USER | most) == 0 or libc.unshare(most) == 0:
        active += ["no network (namespace)", "no other process (namespaces of ids and IPC)"]
    return active


def mount_read_only(folder: str) -> bool:
    """In an own mount namespace: nothing can be changed but in `folder`, not even a mode."""
    libc, none, place = _libc(), None, folder.encode()
    recursive, private, bind = 0x4000, 0x40000, 0x1000
    if libc.unshare(NEW_MOUNT) or libc.mount(none, b"/", none, recursive | private, none):
        return False
    if libc.mount(place, place, none, bind, none):
        return False
    read_only, whole_tree, size = 0x1 | 0x2, 0x8000, ctypes.c_size_t(32)  # and no set-user-id
    attributes = struct.pack("QQQQ", read_only, 0, 0, 0)
    mount_setattr = ctypes.c_long(442)
    if libc.syscall(mount_setattr, -100, b"/", whole_tree, attributes, size):
        return False
    writable = struct.pack("QQQQ", 0, 0x1, 0, 0)
    libc.mount(b"proc", b"/proc", b"proc", 0xE, none)  # its own processes alone, where allowed
    return libc.syscall(mount_setattr, -100, place, 0, writable, size) == 0


def limit(memory_mb: int) -> None:
    """Limits of the kernel's on this process."""
    resource.setrlimit(resource.RLIMIT_AS, ((memory_mb + RESERVE_MB) << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MB << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    stack = STACK_MB << 20
    wanted = stack if hard == resource.RLIM_INFINITY else min(stack, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def restrict_files(folder: str, readable: Sequence[str]) -> bool:
    """Landlock: change files in `folder`, read there, in `readable` and system libraries."""
    libc = _libc()
    version = libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    handled = ALL | (1 << 13 if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("Q", handled)
    rules = libc.syscall(ctypes.c_long(444), attributes, ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    places = dict.fromkeys([*readable, *_system_paths()], READ)
    places |= {folder: handled, "/dev/null": READ_FILE | WRITE_FILE}
    for path, rights in places.items():
        _allow(rules, path, rights & handled)
    done = libc.syscall(ctypes.c_long(446), rules, 0) == 0
    os.close(rules)
    return done


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= FILE_RIGHTS
    beneath = struct.pack("=Qi", rights, place)
    _libc().syscall(ctypes.c_long(445), rules, 1, beneath, 0)
    os.close(place)


def _system_paths() -> Iterator[str]:
    """What Python and a shared library read at their start."""
    yield from ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
    yield from ("/dev/urandom", "/dev/zero", "/sys/devices/system/cpu")
    yield f"/proc/{os.readlink('/proc/self')}" if os.path.islink("/proc/self") else "/proc/self"
    yield from (os.path.join(sys.base_prefix, "lib"), sysconfig.get_path("platstdlib"))
    yield from (os.path.realpath(sys.executable), os.path.join(sys.prefix, "pyvenv.cfg"))
    yield str(Path(__file__).parent)


def forbid_processes() -> bool:
    """seccomp: no new process, no look into another, no socket, no mounting; but threads."""
    if platform.machine() not in SYSTEM_CALLS:
        return False
    machine, clone, forbidden = SYSTEM_CALLS[platform.machine()]
    forbidden += MORE_CALLS[platform.machine()] + NEW_CALLS
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    errno, allow, kill = 0x00050000, 0x7FFF0000, 0x80000000
    # Each line: what to do, k, lines to leave out where it holds, where it does not
    lines = [(load, 4, 0, 0), (equal, machine, 1, 0), (answer, kill, 0, 0), (load, 0, 0, 0)]
    lines += [(at_least, X32, 0, 1), (answer, errno | EPERM, 0, 0)]
    for number in forbidden:
        lines += [(equal, number, 0, 1), (answer, errno | EPERM, 0, 0)]
    lines += [(equal, CLONE3, 0, 1), (answer, errno | ENOSYS, 0, 0)]  # libc then tries clone
    lines += [(equal, clone, 0, 3), (load, 16, 0, 0), (any_bit, CLONE_THREAD, 1, 0)]
    lines += [(answer, errno | EPERM, 0, 0), (answer, allow, 0, 0)]
    code = b"".join(struct.pack("HBBI", what, yes, no, k) for what, k, yes, no in lines)
    content = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(content))
    return _libc().prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, a filter


def resident_mb(root: int) -> float:
    """Memory of a process and of all below it, in MB."""
    pages, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
            for thread in os.listdir(f"/proc/{process}/task"):
                children = Path(f"/proc/{process}/task/{thread}/children").read_text()
                waiting += map(int, children.split())
        except (OSError, IndexError):  # it has ended
            continue
    return pages * resource.getpagesize() / 2**20


def is_over_disk(folder: str) -> bool:
    """Do the files below a folder take more than their share?"""
    size = count = 0
    for place, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        for name in files:
            try:
                size += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
        if count > MAX_FILES or size > DISK_MB << 20:
            return True
    return False


def probe(folder: str) -> list[str]:
    """In a process of its own: what works here."""
    active = enter_namespaces()
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        if mount_read_only(folder):
            active.append("every file read-only but in a private folder (mount namespace)")
        limit(256)
        active.append("limits on memory, disk, file size and output; time is watched")
        if restrict_files(folder, ()):
            active.append("reading and writing only in a private folder and the library (Landlock)")
        if forbid_processes():
            active.append("no new process, no socket (seccomp)")
        os.write(send, json.dumps(active).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return json.loads(os.read(receive, 1 << 16))


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        sys.exit(keep(json.loads(sys.argv[2])))
    elif sys.argv[1] == "probe":
        print(json.dumps(probe(sys.argv[2])))
