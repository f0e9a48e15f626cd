"""A run's code is resolved once: what its first `init` fetched is kept for the run, and laid down wherever it goes on."""

import asyncio
from hashlib import sha256
from pathlib import Path

from stackly_worker.runner.artifact import Artifact, resolved
from stackly_worker.runner.session import Session
from stackly_worker.runner.shipping import insist


async def kept(session: Session, digest: str) -> Artifact:
    """What the run was resolved to, `digest` its SHA-256; nothing for the empty one."""
    if not digest:
        return Artifact()
    data = await insist(session.plane.get_artifact, session.clock)
    session.transcript.say("Modules and lock file are those that the first plan of this run was made with.")
    return await asyncio.to_thread(Artifact.unpack, data)


async def keep(session: Session, data: Path, lock: Path, *, locked: bool) -> str:
    """Keep what an `init` resolved beyond the tree; its SHA-256, empty when that is nothing.

    The modules are then laid down from what was kept, so that this plan sees what all that follows will see.
    """
    found = await asyncio.to_thread(resolved, data, lock, locked=locked)
    if not found:
        return ""
    packed = await asyncio.to_thread(found.pack)
    await insist(lambda: session.plane.keep_artifact(packed), session.clock)
    if found.modules:
        await asyncio.to_thread(found.lay, data)
    return sha256(packed).hexdigest()
