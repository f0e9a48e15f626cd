-- Tenants, who belongs to them, and the ledgers every other table leans on.
-- Every tenant table has account_id in its key and row security forced; policies depend on settings, never on roles.
-- The app role `stackly_app` owns nothing; it must exist before this runs.

CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    display_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Look-ups made before the tenant is known. Holds keys and account ids, never content.
CREATE TABLE routes (
    kind text NOT NULL CHECK (kind IN ('account', 'api_key', 'repository', 'join_token', 'worker', 'run_token', 'namespace')),
    key text NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts,
    PRIMARY KEY (kind, key)
);

CREATE TABLE namespaces (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    name text NOT NULL,
    temporal_namespace text NOT NULL UNIQUE,
    status text NOT NULL CHECK (status IN ('PROVISIONING', 'ACTIVE')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);

CREATE TABLE members (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    login text NOT NULL,
    roles text[] NOT NULL,
    groups text[] NOT NULL,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, login)
);

CREATE TABLE api_keys (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    member text NOT NULL,
    display_name text NOT NULL,
    secret_hash bytea NOT NULL,
    permissions text[] NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);

-- One sign-in and all tokens made from it. Refresh tokens are signed and carry `counter`; no secret is stored.
CREATE TABLE token_families (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    member text NOT NULL,
    api_key_id uuid NOT NULL,
    counter int NOT NULL DEFAULT 1,
    rotated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, api_key_id) REFERENCES api_keys
);

CREATE TABLE repositories (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    slug text NOT NULL,
    clone_url text NOT NULL,
    full_name text NOT NULL,
    external_id text NOT NULL,
    default_ref text NOT NULL,
    webhook_secret bytea NOT NULL,
    disconnected_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX repositories_slug ON repositories (account_id, slug) WHERE disconnected_at IS NULL;
CREATE UNIQUE INDEX repositories_external ON repositories (account_id, external_id) WHERE disconnected_at IS NULL;

-- Data keys, wrapped by Transit under the account's context.
CREATE TABLE account_keys (
    account_id uuid NOT NULL REFERENCES accounts,
    purpose text NOT NULL CHECK (purpose IN ('payload', 'state', 'log', 'plan', 'secret')),
    version int NOT NULL,
    wrapped text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, purpose, version)
);

-- The end of each account's chains; locked as the last statement of a transaction.
CREATE TABLE account_heads (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    event_sequence bigint NOT NULL DEFAULT 0,
    audit_sequence bigint NOT NULL DEFAULT 0,
    audit_hash bytea NOT NULL DEFAULT '\x00'
);

CREATE TABLE events (
    account_id uuid NOT NULL REFERENCES accounts,
    sequence bigint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    actor text NOT NULL,
    facts jsonb NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sequence)
);
CREATE INDEX events_subject ON events (account_id, subject, sequence);

-- hash = sha256(hash before || sequence as 8 bytes || body); body is the canonical JSON of the entry.
CREATE TABLE audit_entries (
    account_id uuid NOT NULL REFERENCES accounts,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (account_id, sequence)
);

CREATE TABLE idempotency (
    account_id uuid NOT NULL REFERENCES accounts,
    actor text NOT NULL,
    method text NOT NULL,
    request_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    response bytea NOT NULL,
    sealed boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, actor, method, request_id)
);

-- What must be told to others after the commit. Payloads carry ids only.
CREATE TABLE outbox (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    due_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    dead_at timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE done_at IS NULL AND dead_at IS NULL;

-- What code hosts sent, kept before it is answered. The body is a hint; the repository is read again.
CREATE TABLE inbox (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    repository_id uuid NOT NULL,
    delivery_id text NOT NULL,
    event text NOT NULL,
    body_sha256 bytea NOT NULL,
    ref text NOT NULL,
    before_commit text NOT NULL,
    after_commit text NOT NULL,
    handled_at timestamptz,
    outcome text,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, delivery_id),
    FOREIGN KEY (account_id, repository_id) REFERENCES repositories
);
