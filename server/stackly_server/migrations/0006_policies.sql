-- Rules of the account, with every text they ever had.

CREATE TABLE policies (
    account_id uuid NOT NULL REFERENCES accounts,
    id uuid NOT NULL,
    name text NOT NULL,
    hcl text NOT NULL,
    spec jsonb NOT NULL,  -- the text, parsed when it was written
    revision int NOT NULL DEFAULT 1,
    version int NOT NULL DEFAULT 1,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX policies_name ON policies (account_id, name) WHERE deleted_at IS NULL;

CREATE TABLE policy_revisions (
    account_id uuid NOT NULL REFERENCES accounts,
    policy_id uuid NOT NULL,
    revision int NOT NULL,
    hcl text NOT NULL,
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, policy_id, revision),
    FOREIGN KEY (account_id, policy_id) REFERENCES policies
);
