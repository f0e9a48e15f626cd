-- Machines that join, and the tokens they join with.

CREATE TABLE join_tokens (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    display_name text NOT NULL,
    secret_hash bytea NOT NULL,
    labels jsonb NOT NULL,
    allowed_features text[] NOT NULL,  -- empty: all
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    key_sha256 bytea,                  -- the first key that used it; it answers no other
    worker_id uuid,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, namespace_id) REFERENCES namespaces,
    CHECK ((used_at IS NULL) = (key_sha256 IS NULL))
);

CREATE TABLE workers (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    slug text NOT NULL,
    key_sha256 bytea NOT NULL,         -- of the public key's SubjectPublicKeyInfo
    host text NOT NULL,
    token_labels jsonb NOT NULL,
    allowed_features text[] NOT NULL,
    capabilities jsonb NOT NULL,
    verified jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL CHECK (status IN ('PENDING', 'ACTIVE', 'UNREACHABLE', 'DRAINING', 'OFFLINE', 'EVICTED', 'BANNED')),
    schedulable boolean NOT NULL DEFAULT true,
    lease_expires_at timestamptz NOT NULL,
    certificate_serial text NOT NULL,
    certificate_expires_at timestamptz NOT NULL,
    challenge_id uuid,
    challenge_nonce text,
    challenge_engines text[] NOT NULL DEFAULT '{}',
    challenge_failures int NOT NULL DEFAULT 0,
    directive_sequence bigint NOT NULL DEFAULT 1,
    running_runs text[] NOT NULL DEFAULT '{}',
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, namespace_id, slug),
    UNIQUE (account_id, namespace_id, key_sha256),
    FOREIGN KEY (account_id, namespace_id) REFERENCES namespaces
);
