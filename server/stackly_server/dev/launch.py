"""Runs as a file of its own (`python -I -S launch.py …`): takes the identity, ties the child to its parent, then execs.

A shim instead of `preexec_fn`, which may deadlock in a process with threads. The order matters: the kernel forgets the
parent-death signal whenever the uid changes, so it is asked for last.
"""

import ctypes
import os
import signal
import sys

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_NOBODY = 65534


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  (pathlib would double the start time of the shim)
        file.write(text)


def enter_user_namespace() -> None:
    """Look like uid 65534 to ourselves while files stay those of the real user."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        _fail("unshare(CLONE_NEWUSER)")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_NOBODY} {uid} 1")
    _write("/proc/self/gid_map", f"{_NOBODY} {gid} 1")


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


def die_with(parent: int, death_signal: int) -> None:
    """Ask the kernel to signal us when the thread that started us is gone; leave at once if it already is."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        _fail("prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(128 + death_signal)


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *command = arguments
    if identity == "userns":
        enter_user_namespace()
    elif identity == "nobody":
        become_nobody()
    if int(death_signal):
        die_with(int(parent), int(death_signal))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execve(command[0], command, os.environ)  # noqa: S606  (no shell is what we want)


if __name__ == "__main__":
    main(sys.argv[1:])
