"""Runs the git program with nothing of its surroundings: own environment, no settings files, no hooks, no questions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stackly_server import limits
from stackly_server.git.model import GitError, GitTimeoutError
from stackly_server.git.remote import Remote

OUTPUT_BYTES = 8 * 2**20
"""The most that is read of a command's output."""
MESSAGE_CHARACTERS = 1000

_BLOCK = 512
_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    # old, harmless mistakes of real histories; all else that fsck calls an error is refused
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.missingEmail": "ignore",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "gc.pruneExpire": "never",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How to show oneself to a remote. `headers` are sent with https; `ssh_command` runs ssh (keys, known hosts).

    Secrets travel in git's environment, never in its arguments or in an address.
    """

    headers: tuple[str, ...] = field(default=(), repr=False)
    ssh_command: str = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o ClearAllForwardings=yes"
    ca_file: Path | None = None


class GitCommand:
    """Runs git in bare repositories."""

    def __init__(self, seconds: float = limits.GIT_SECONDS, program: str = "git") -> None:
        self._seconds = seconds
        self._program = shutil.which(program) or program

    async def run(
        self, folder: Path, *arguments: str, remote: Remote | None = None, access: Access | None = None
    ) -> str:
        """The output of a command in the bare repository `folder` (an absolute path).

        Raises:
            GitError: git failed; the text is what it said, cut.
            GitTimeoutError: it took too long and was killed with all its children.
        """
        blocks = limits.GIT_FILE_BYTES // _BLOCK
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f'ulimit -c 0; ulimit -f {blocks}; exec "$@"', "sh"),
            *(self._program, f"--git-dir={folder}", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env=environment(remote, access or Access()),
            start_new_session=True,
            limit=OUTPUT_BYTES,
        )
        try:
            async with asyncio.timeout(self._seconds):
                output, message = await process.communicate()
        except TimeoutError as error:
            raise GitTimeoutError(f"git {arguments[0]} took more than {self._seconds:g} s") from error
        finally:
            await _end(process)
        if process.returncode != 0:
            raise GitError(_said(arguments[0], process.returncode, message))
        return output.decode("utf-8", errors="replace")


def environment(remote: Remote | None, access: Access) -> dict[str, str]:
    """The whole environment of a git process: one protocol allowed if there is a remote, else none."""
    config = list(_CONFIG.items())
    if remote is not None:
        config.append((f"protocol.{remote.protocol}.allow", "always"))
        config += [(f"http.{remote.url}.extraHeader", header) for header in access.headers]
    if access.ca_file is not None:
        config.append(("http.sslCAInfo", str(access.ca_file)))
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_SSH_COMMAND": access.ssh_command,
        "GIT_SSH_VARIANT": "ssh",
        **_config_variables(config),
    }


def _config_variables(config: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    pairs = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(config)}
    values = {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(config)}
    return {"GIT_CONFIG_COUNT": str(len(config)), **pairs, **values}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills git, if it still runs, and its helpers: they share its session."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _said(command: str, code: int | None, message: bytes) -> str:
    text = message.decode("utf-8", errors="replace").strip()
    clean = "".join(character if character.isprintable() else " " for character in text)
    return f"git {command} failed ({code}): {clean[:MESSAGE_CHARACTERS]}"
