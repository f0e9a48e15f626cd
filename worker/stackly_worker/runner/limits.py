"""Every bound of the runner, in bytes and seconds (reliability.md D17)."""

import os

KIB, MIB, GIB = 1024, 1024**2, 1024**3

TREE_ENTRIES = 50_000
TREE_BYTES = 200 * MIB
TREE_DEPTH = 32
PATH_BYTES = 512

ARTIFACT_BYTES = 100 * MIB  # of what a run's code is beyond its commit, equal contents counted once
ARTIFACT_LAID_BYTES = 1 * GIB
ARTIFACT_ENTRIES = 100_000

INSPECTED_BYTES = 64 * MIB  # of what the engine read of a root's modules, kept for the next run
INSPECTED_CODE_BYTES = 64 * KIB  # of code: less is read in a moment, and not kept

LOG_CHUNK = 64 * KIB
LOG_LINE = 64 * KIB
LOG_TOTAL = 1 * GIB
LOG_RESULT = 1 * MIB  # of the log of a batch that another runner offered: it goes into that one's log at once

STATE_BYTES = 256 * MIB
STATE_LARGE = 16 * MIB  # above it whole versions are still streamed, but the run's log says that it costs
DISK_RESERVE = 64 * MIB  # beside three times the state, before an apply

PLAN_JSON_BYTES = 512 * MIB
ERRORS = 10
ERROR_TEXT = 4 * KIB
SUSPECTS = 1000
DONE = 1000  # operations remembered that ended well: many times what Terraform has under way at a time

RECORD_BYTES, EXPORTS_BYTES = (
    1 * MIB,
    2 * MIB,
)  # of one unit; a larger one is not kept, and the unit is planned each time
RECORDS, RECORDS_BYTES = 1000, 3 * MIB  # of one call
READS = 1000  # exports that a batch reads, of one message

UNIT_PROCESSES = max(2, min(4, os.cpu_count() or 2))  # Terraforms at a time of one run that is cut into units

HELP_AFTER = 0.7  # seconds without room on this machine after which a batch is offered to another worker
CLAIM_PATIENCE = 10.0  # seconds another worker has to take an offered batch
WATCH_PATIENCE = 20.0  # seconds to wait at the control plane for news of offered batches
WATCH_INTERVAL = 0.02  # seconds between looks at the state file and Terraform's output
STOP_GRACE = 300.0  # seconds from the one SIGINT to SIGKILL
PLACE_INTERVAL = 0.1  # seconds between looks whether the place of a stack is free
