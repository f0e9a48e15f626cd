"""stackly-engine: look at a root, plan it and apply it in units, on this machine, with local state.

What is imported here is little: when nothing changed, the answer is there before the rest would be loaded.
"""

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from stackly_engine.command import executable
from stackly_engine.command.arguments import parsed
from stackly_engine.command.glance import Glance, nothing, settled

INTERRUPTED = 130  # 128 and SIGINT
_COLLECT_AFTER = (
    2_000_000  # objects; what one run reads of a root stays to its end, looking through it again finds nothing
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code.

    0 good, 1 an error, 2 wrong usage or (plan --detailed-exitcode) changes, 4 not covered, 128 and more a signal.
    """
    try:
        options = parsed(argv)
        options.found = None
        for name in sorted(name for name in os.environ if name.startswith("TF_CLI_ARGS")):
            sys.stderr.write(f"stackly-engine: {name} is not used by this command\n")
        glance = _glance(options)
        skipped = glance.skipped() if glance is not None else None
    except KeyboardInterrupt:
        return INTERRUPTED
    if skipped is not None:
        sys.stdout.write(nothing(skipped, as_json=options.json))
        return 0
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        from stackly_engine.command.commands import run

        return run(options, glance)
    finally:
        gc.set_threshold(*before)


def _glance(options: Namespace) -> Glance | None:
    """Only where nothing is asked but what is due. A program that may be a shim is asked for its version, once."""
    root = os.path.realpath(options.directory)
    path = executable.found(options.tool, os.environ)
    if options.run not in {"plan", "apply"} or options.replace or options.refresh or path is None:
        return None
    version = executable.remembered(root, executable.identity(path))
    if version is None and os.path.exists(settled(root)):  # noqa: PTH110
        from stackly_engine.command.tool import ToolError, find

        try:
            options.found = find(options.tool)
        except ToolError:
            return None  # whoever asks again says it
        version = options.found.said
    return Glance(root, version, options.variables or (), os.environ)
