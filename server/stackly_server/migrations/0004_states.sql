-- Terraform state: every accepted serial, and every refused one beside it. State bytes are never discarded.

-- The newest state of each stack state, and who holds its lock. The epoch counts the holders.
CREATE TABLE state_heads (
    account_id uuid NOT NULL REFERENCES accounts,
    stack_state_id uuid NOT NULL,
    tf_state_key text NOT NULL,
    hash_key bytea NOT NULL,          -- sealed; keys the hashes of sensitive values
    serial bigint NOT NULL DEFAULT 0, -- 0: no state yet
    lineage text NOT NULL DEFAULT '',
    resource_count int NOT NULL DEFAULT 0,
    lock_id uuid,
    lock_holder text,
    lock_reason text,
    lock_run_id uuid,
    lock_epoch bigint NOT NULL DEFAULT 0,
    locked_at timestamptz,
    lock_expires_at timestamptz,
    PRIMARY KEY (account_id, stack_state_id),
    FOREIGN KEY (account_id, stack_state_id) REFERENCES stack_states,
    CHECK ((lock_id IS NULL) = (locked_at IS NULL)),
    CHECK (lock_id IS NOT NULL OR lock_holder IS NULL),
    CHECK (serial >= 0 AND resource_count >= 0)
);

CREATE TABLE state_versions (
    account_id uuid NOT NULL REFERENCES accounts,
    stack_state_id uuid NOT NULL,
    serial bigint NOT NULL,
    lineage text NOT NULL,
    received_sha256 text NOT NULL,    -- of the document as it was handed in: tells a repeated write
    sha256 text NOT NULL,             -- of the document as it is exported: the same values, one layout
    size_bytes bigint NOT NULL,       -- of the exported one
    terraform_version text NOT NULL,
    manifest bytea NOT NULL,          -- sealed: header, outputs, digest of each slice
    slices text[] NOT NULL,
    resource_count int NOT NULL,
    run_id uuid,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, stack_state_id, serial),
    FOREIGN KEY (account_id, stack_state_id) REFERENCES stack_states
);

CREATE TABLE state_quarantine (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    stack_state_id uuid NOT NULL,
    run_id uuid,
    epoch bigint NOT NULL,
    serial bigint NOT NULL,
    lineage text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    blob text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, stack_state_id, sha256, epoch),
    FOREIGN KEY (account_id, stack_state_id) REFERENCES stack_states
);
