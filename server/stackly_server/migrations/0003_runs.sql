-- Runs (the brief's operations), their plans, batches, approvals and logs.

CREATE TABLE selectors (
    account_id uuid NOT NULL REFERENCES accounts,
    namespace_id uuid NOT NULL,
    hash text NOT NULL,
    selector jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, namespace_id, hash),
    FOREIGN KEY (account_id, namespace_id) REFERENCES namespaces
);

CREATE TABLE runs (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    stack_state_id uuid NOT NULL,
    number int NOT NULL,
    type text NOT NULL CHECK (type IN ('APPLY', 'PLAN_ONLY', 'DESTROY')),
    trigger text NOT NULL CHECK (trigger IN ('API', 'PUSH')),
    status text NOT NULL CHECK (status IN ('QUEUED', 'PLANNING', 'AWAITING_APPROVAL', 'APPLY_QUEUED', 'APPLYING', 'CANCELING',
        'PLANNED_AND_FINISHED', 'APPLIED', 'FAILED', 'REJECTED', 'EXPIRED', 'SUPERSEDED', 'CANCELED')),
    from_commit text NOT NULL,
    to_commit text NOT NULL,
    message text NOT NULL,
    auto_apply boolean NOT NULL,
    variables jsonb NOT NULL DEFAULT '{}',
    secret_variables bytea,
    creator text NOT NULL,
    delivery_id text NOT NULL DEFAULT '',
    selector_hash text NOT NULL,
    plan_number int NOT NULL DEFAULT 1,   -- the plan that is wanted or there
    plan_digest text NOT NULL DEFAULT '',
    expires_at timestamptz,               -- of the request for approval
    worker_id uuid,
    error jsonb,
    suspects text[] NOT NULL DEFAULT '{}',
    status_times jsonb NOT NULL DEFAULT '{}',
    cancel_reason text,
    cancel_force boolean NOT NULL DEFAULT false,
    log_size bigint NOT NULL DEFAULT 0,
    version int NOT NULL DEFAULT 1,
    done_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, stack_state_id, number),
    FOREIGN KEY (account_id, stack_state_id) REFERENCES stack_states,
    CHECK ((done_at IS NOT NULL) = (status IN ('PLANNED_AND_FINISHED', 'APPLIED', 'FAILED', 'REJECTED', 'EXPIRED', 'SUPERSEDED', 'CANCELED'))),
    CHECK (status <> 'FAILED' OR error IS NOT NULL)
);
CREATE INDEX runs_open ON runs (account_id, stack_state_id) WHERE done_at IS NULL;
CREATE INDEX runs_new ON runs (account_id, created_at DESC, id);
-- At most one run of a stack state may be applying.
CREATE UNIQUE INDEX runs_applying ON runs (account_id, stack_state_id) WHERE status = 'APPLYING';

CREATE TABLE plans (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    number int NOT NULL,
    digest text NOT NULL,
    has_changes boolean NOT NULL,
    summary jsonb NOT NULL,
    output_changes jsonb NOT NULL,
    engine text NOT NULL,
    platform text NOT NULL,
    commit_hash text NOT NULL,
    tree_sha256 text NOT NULL,
    state_serial bigint NOT NULL,
    state_lineage text NOT NULL,
    plan_blob text NOT NULL,
    plan_sha256 text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, run_id, number),
    FOREIGN KEY (account_id, run_id) REFERENCES runs
);

CREATE TABLE resource_changes (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    plan_number int NOT NULL,
    position int NOT NULL,
    address text NOT NULL,
    actions text[] NOT NULL,
    change jsonb NOT NULL,
    PRIMARY KEY (account_id, run_id, plan_number, position),
    FOREIGN KEY (account_id, run_id, plan_number) REFERENCES plans (account_id, run_id, number)
);

CREATE TABLE approvals (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    run_id uuid NOT NULL,
    member text NOT NULL,
    groups text[] NOT NULL,
    approved boolean NOT NULL,
    plan_digest text NOT NULL,
    commit_hash text NOT NULL,
    serial bigint NOT NULL,
    policies text[] NOT NULL,     -- policy@revision in force then
    comment text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, run_id, member, plan_digest, policies),
    FOREIGN KEY (account_id, run_id) REFERENCES runs
);

CREATE TABLE run_batches (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    plan_number int NOT NULL,
    phase text NOT NULL CHECK (phase IN ('PLAN', 'APPLY')),
    batch text NOT NULL,
    slices text[] NOT NULL,
    status text NOT NULL CHECK (status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    task_queue text NOT NULL,
    nonce text NOT NULL,
    worker_id uuid,
    epoch bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    start_token uuid,
    apply_started_at timestamptz,
    outcome text,
    exit_code int,
    started_at timestamptz,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, run_id, plan_number, phase, batch),
    FOREIGN KEY (account_id, run_id) REFERENCES runs,
    CHECK ((start_token IS NULL) = (apply_started_at IS NULL)),
    CHECK (apply_started_at IS NULL OR phase = 'APPLY'),
    CHECK ((finished_at IS NOT NULL) = (status IN ('SUCCEEDED', 'FAILED', 'CANCELED')))
);
CREATE INDEX run_batches_leased ON run_batches (account_id, lease_expires_at) WHERE status = 'RUNNING';

-- Tokens of runners, one for each epoch. An old one still says who calls: its state writes go to quarantine.
CREATE TABLE run_tokens (
    account_id uuid NOT NULL REFERENCES accounts,
    token_hash bytea NOT NULL,
    run_id uuid NOT NULL,
    plan_number int NOT NULL,
    phase text NOT NULL,
    batch text NOT NULL,
    epoch bigint NOT NULL,
    worker_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, token_hash),
    FOREIGN KEY (account_id, run_id, plan_number, phase, batch) REFERENCES run_batches
);

CREATE TABLE log_chunks (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    log_offset bigint NOT NULL,
    size int NOT NULL,
    step text NOT NULL,
    sealed bytea,
    blob text,             -- where larger sealed pieces lie once the run has ended
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, run_id, log_offset),
    FOREIGN KEY (account_id, run_id) REFERENCES runs,
    CHECK ((sealed IS NULL) <> (blob IS NULL))
);
