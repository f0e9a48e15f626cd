"""Every bound of the server, named, with its unit."""

PAGE_DEFAULT = 50
PAGE_MAX = 200
PAGE_TOKEN_SECONDS = 3 * 24 * 3600
STREAM_SECONDS = 3600
HEARTBEAT_SECONDS = 15
STREAMS_OF_ONE_CALLER = 200
WAIT_SECONDS_MAX = 60
CHUNK_BYTES = 256 * 1024
LOG_TEXT_BYTES = 64 * 1024
RUN_LOG_BYTES = 1024**3
STATE_BYTES = 256 * 1024**2
STATE_OUTLINE_BYTES = 1024**2  # a run by units reads a larger state as an outline, and whole slices of what it touches
OUTLINES_BYTES = 64 * 1024**2  # of outlines in memory
STATE_SLICES = 10_000  # units of one call
PLAN_BYTES = 256 * 1024**2
READ_EXPORTS = 100_000  # that a batch reads which is planned again; on the wire too (VerifyPlan)
ARTIFACT_BYTES = 100 * 1024**2  # of what the code of a run is beyond its commit; on the wire too (KeepArtifact)
PLAN_REASONS_BYTES = 1024**2  # of why units run: beyond it the headlines stay, so that a plan is below MESSAGE_BYTES
LEFT_UNITS_SHOWN = 100  # of what an apply left to be planned again: a run names the first of them
PLAN_NEEDS_BYTES = 1024**2  # of names of units that units need: beyond it a plan has no graph
RECORD_BYTES = 1024**2  # of one unit's record; on the wire too (UnitRecord)
EXPORTS_BYTES = 2 * 1024**2  # of what other units read of one unit; on the wire too
RECORDS_CALL_BYTES = 3 * 1024**2  # of all records and exports of one call: below MESSAGE_BYTES
RECORDS_STATE_BYTES = 256 * 1024**2  # of all units of a stack state
UNIT_CHARACTERS = 512
UNIT_BATCHES = 10_000  # of one runner, as they are shown and priced
UNIT_REPORT_CHARACTERS = 1024**2  # of names of units in one report
GRAPH_SVG_BYTES = 3 * 1024**2  # below MESSAGE_BYTES, with the graph beside it
WEBHOOK_BYTES = 25 * 1024**2
MESSAGE_BYTES = 4 * 1024**2

ACCESS_TOKEN_SECONDS = 15 * 60
REFRESH_TOKEN_SECONDS = 30 * 24 * 3600
REFRESH_REUSE_SECONDS = 30
API_KEY_DAYS_DEFAULT = 90
API_KEY_DAYS_MAX = 366
REQUEST_ID_HOURS = 24

JOIN_TOKEN_SECONDS_DEFAULT = 10 * 60
JOIN_TOKEN_SECONDS_MAX = 24 * 3600
CERTIFICATE_SECONDS = 3600
LEASE_SECONDS = 45
OFFLINE_SECONDS = 10 * 60
CHALLENGE_FAILURES_MAX = 3
CHALLENGE_AGAIN_SECONDS = 6 * 3600  # between two re-checks of a worker, on average
CHALLENGE_AGAIN_ANSWER_SECONDS = 300

APPROVAL_SECONDS_DEFAULT = 7 * 24 * 3600
UNDELETE_DAYS = 30
LOCK_SECONDS_MAX = 7 * 24 * 3600
QUEUED_RUNS_MAX = 200
DATA_KEY_CACHE_SECONDS = 300
OUTBOX_ATTEMPTS_MAX = 20
STOP_GRACE_SECONDS = 300

HCL_FILE_BYTES = 64 * 1024
HCL_NESTING = 32
HCL_CPU_SECONDS = 2.0
HCL_WALL_SECONDS = 10.0  # larger than the processor time: a busy machine is not the file's fault
HCL_MEMORY_BYTES = 256 * 1024**2

TREE_ENTRIES = 50_000  # files and folders
TREE_BYTES = 200 * 1024**2
TREE_DEPTH = 32
TREE_PATH_BYTES = 512
STACK_ROOTS = 2000
GIT_SECONDS = 300.0
GIT_FILE_BYTES = 2 * 1024**3  # the largest file that git may write: bounds the pack of a fetch
