-- Stack code and its deployed instances, as in the brief, with the tenant in every key.

CREATE TABLE stack_codes (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    slug text NOT NULL,
    repository_id uuid NOT NULL,
    repo_path text NOT NULL,
    ref text NOT NULL,
    current_commit text NOT NULL,
    good_commit text NOT NULL,  -- the newest commit without errors; '' before the first
    config jsonb,
    findings jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL CHECK (status IN ('ACTIVE', 'INVALID', 'DEREGISTERED')),
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, slug),
    UNIQUE (account_id, repository_id, repo_path),
    FOREIGN KEY (account_id, repository_id) REFERENCES repositories,
    CHECK (status <> 'ACTIVE' OR config IS NOT NULL)
);

CREATE TABLE stack_code_versions (
    account_id uuid NOT NULL REFERENCES accounts,
    stack_code_id uuid NOT NULL,
    commit_hash text NOT NULL,
    digest text NOT NULL,  -- of all in the repository that the stack depends on
    author text NOT NULL,
    message text NOT NULL,
    committed_at timestamptz NOT NULL,
    config jsonb,
    findings jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, stack_code_id, commit_hash),
    FOREIGN KEY (account_id, stack_code_id) REFERENCES stack_codes
);

CREATE TABLE stack_states (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    name text NOT NULL,
    namespace_id uuid NOT NULL,
    stack_code_id uuid NOT NULL,
    state_block text NOT NULL,                -- '' when the file has none, '-' when a person made it
    commit_hash text NOT NULL DEFAULT '',
    desired_commit text NOT NULL,
    environment text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',       -- set by API
    variables jsonb NOT NULL DEFAULT '{}',    -- set by API, not secret: name -> JSON text
    secret_variables bytea,                   -- sealed JSON object: name -> JSON text
    auto_deploy boolean,
    status text NOT NULL CHECK (status IN ('PENDING', 'ACTIVE', 'LOOSE', 'DESTROYING', 'DESTROYED', 'DELETED')),
    status_before text NOT NULL DEFAULT 'PENDING',  -- what undelete or a failed destroy goes back to
    last_run_failed boolean NOT NULL DEFAULT false,
    history_mismatch boolean NOT NULL DEFAULT false,
    run_counter int NOT NULL DEFAULT 0,
    last_applied_run_id uuid,
    version int NOT NULL DEFAULT 1,
    deleted_at timestamptz,
    purge_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name),
    FOREIGN KEY (account_id, namespace_id) REFERENCES namespaces,
    FOREIGN KEY (account_id, stack_code_id) REFERENCES stack_codes,
    CHECK ((status = 'DELETED') = (deleted_at IS NOT NULL))
);

-- Trees that may go to workers, and the contents of their files. Listings by commit, contents by object id.
CREATE TABLE git_cache (
    account_id uuid NOT NULL REFERENCES accounts,
    repository_id uuid NOT NULL,
    commit_hash text NOT NULL,
    entries jsonb NOT NULL,  -- [[path, mode, object id, size], …] in order of path
    cached_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, repository_id, commit_hash),
    FOREIGN KEY (account_id, repository_id) REFERENCES repositories
);
CREATE TABLE git_contents (
    account_id uuid NOT NULL REFERENCES accounts,
    repository_id uuid NOT NULL,
    object_id text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (account_id, repository_id, object_id),
    FOREIGN KEY (account_id, repository_id) REFERENCES repositories
);
