"""Run a program on what a model wrote: no network, no other process, no file of ours.

This file is both sides. Imported, it gives the command that starts a process inside, and says what
protects this machine. Run as a script (standard library only), it is the *keeper*, which enters
namespaces, forks, and watches; the child shuts itself in and becomes the program:

- namespaces: a network of its own without a way out; process ids of its own, whose first is a
  process of ours: it dies with the keeper, and all ends with it; every file system read-only but
  for one private folder;
- Landlock: it reads toolchain, library and system libraries, and changes the private folder alone;
- seccomp: it starts threads but no process; it takes no memory and makes no file that the keeper
cannot count;
- limits on address space, file size and open files; the keeper looks at memory and disk.

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
WRITTEN_MB = 1024  # in a process's life: a file that another replaced is in no folder
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
# seccomp, by machine: its number, and calls that are allowed with some arguments:
# `clone`, `mmap`, `prctl`, `openat`, and `open` where there is one
MACHINES = {
    "x86_64": (0xC000003E, 56, 9, 157, 257, 2),
    "aarch64": (0xC00000B7, 220, 222, 167, 56, -1),
}
FORBIDDEN_CALLS = {
    "x86_64": (
        *(57, 58, 101, 155, 161, 165, 166, 248, 249, 250, 272, 298, 308),  # processes, mounts
        *(310, 311, 321, 323, 41, 42, 53),  # and sockets, which reach others by a file's name
        *(29, 30, 64, 68, 240, 319),  # memory that no process holds: System V's, queues, memfd
        *(83, 84, 86, 87, 88, 133, 258, 259, 263, 265, 266, 285),  # folders, links, ends, space
        *(90, 91, 92, 93, 94, 188, 189, 190, 260, 268),  # modes, owners, attributes of files
    ),
    "aarch64": (
        *(39, 40, 41, 51, 97, 117, 217, 218, 219, 241, 268),
        *(270, 271, 280, 282, 198, 203, 199),
        *(194, 196, 190, 186, 180, 279),
        *(33, 34, 35, 36, 37, 47),
        *(5, 6, 7, 52, 53, 54, 55),
    ),
}
# The same everywhere: io_uring, mounting; openat2, memfd_secret, fchmodat2, setxattrat
NEW_CALLS = (425, *range(428, 434), 438, 442, 437, 447, 452, 463)
CLONE3, X32 = 435, 0x40000000
MAP_SHARED, UNNAMED_FILE, DEATH_SIGNAL = 1, 0x400000, 1  # of mmap, open, prctl
THREAD_PAGES = 8  # of the kernel's, for each thread
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
        memory_mb, written_mb = measure(child)
        if memory_mb > config["memory_mb"]:
            code = TOO_MUCH_MEMORY
        elif written_mb > WRITTEN_MB or is_over_disk(config["folder"]):
            code = TOO_MUCH_DISK
        if code:
            os.kill(child, signal.SIGKILL)
            break
    _, status = os.waitpid(child, 0)
    return code or os.waitstatus_to_exitcode(status) & 0xFF


def _become(config: dict, keeper: int) -> None:
    """In the child: fork once more, shut that one in, and let it become the program. Never returns.

    The child is the first process of its namespace: no signal from inside reaches it.
    """
    try:
        _die_with_parent()
        if select.select([keeper], [], [], 0)[0]:  # the keeper has died meanwhile
            os._exit(70)
        if program := os.fork():
            for number in (0, 1):
                os.close(number)
            _, status = os.waitpid(program, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        _die_with_parent()
        os.setsid()  # no signal to a group reaches the keeper
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
    """seccomp: no new process, no look into another, no socket, no mounting; but threads.

    Nor what the keeper cannot count: memory that no process holds, files without a name, folders,
    files that others cannot read.
    """
    if platform.machine() not in MACHINES:
        return False
    machine, clone, mmap, prctl, openat, open_ = MACHINES[platform.machine()]
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    errno, allow, kill = 0x00050000, 0x7FFF0000, 0x80000000
    # Each line: what to do, k, lines to leave out where it holds, where it does not
    lines = [(load, 4, 0, 0), (equal, machine, 1, 0), (answer, kill, 0, 0), (load, 0, 0, 0)]
    lines += [(at_least, X32, 0, 1), (answer, errno | EPERM, 0, 0)]
    for number in FORBIDDEN_CALLS[platform.machine()] + NEW_CALLS:
        lines += [(equal, number, 0, 1), (answer, errno | EPERM, 0, 0)]
    some = [(mmap, 3, any_bit, MAP_SHARED), (prctl, 0, equal, DEATH_SIGNAL)]
    some += [(openat, 2, any_bit, UNNAMED_FILE), (open_, 1, any_bit, UNNAMED_FILE)]
    for number, place, test, value in some:  # the argument at this place is an int
        lines += [(equal, number & 0xFFFFFFFF, 0, 4), (load, 16 + 8 * place, 0, 0)]
        lines += [(test, value, 0, 1), (answer, errno | EPERM, 0, 0), (answer, allow, 0, 0)]
    lines += [(equal, CLONE3, 0, 1), (answer, errno | ENOSYS, 0, 0)]  # libc then tries clone
    lines += [(equal, clone, 0, 3), (load, 16, 0, 0), (any_bit, CLONE_THREAD, 1, 0)]
    lines += [(answer, errno | EPERM, 0, 0), (answer, allow, 0, 0)]
    code = b"".join(struct.pack("HBBI", what, yes, no, k) for what, k, yes, no in lines)
    content = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(content))
    return _libc().prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, a filter


def measure(root: int) -> tuple[float, float]:
    """(memory, what was ever written) of a process and of all below it, in MB."""
    pages, written, waiting = 0, 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
            for thread in os.listdir(f"/proc/{process}/task"):
                pages += THREAD_PAGES
                children = Path(f"/proc/{process}/task/{thread}/children").read_text()
                waiting += map(int, children.split())
            written += int(Path(f"/proc/{process}/io").read_text().split()[3])  # wchar
        except (OSError, IndexError):  # it has ended
            continue
    return pages * resource.getpagesize() / 2**20, written / 2**20


def is_over_disk(folder: str) -> bool:
    """Do the files of a folder, which has no folders in it, take more than their share?"""
    size = count = 0
    try:
        for file in os.scandir(folder):
            count += 1
            size += os.lstat(file).st_blocks * 512
    except PermissionError:
        return True
    except FileNotFoundError:  # a file that our process has removed meanwhile
        return False
    return count > MAX_FILES or size > DISK_MB << 20


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
