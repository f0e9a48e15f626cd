-- Batches of units as their runner reports them: a run by units can be watched, and what they took prices the next ones.

CREATE TABLE unit_batches (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    plan_number integer NOT NULL,
    phase text NOT NULL CHECK (phase IN ('PLAN', 'APPLY')),
    epoch bigint NOT NULL,             -- of the task: the runner that comes after a lost one counts from 1 again
    number integer NOT NULL,
    stack_state_id uuid NOT NULL,
    worker_id uuid,
    units text[] NOT NULL,
    status text NOT NULL CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'SKIPPED', 'DEFERRED')),
    resources integer NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,  -- by the worker's clock, once it has ended
    replan_seconds double precision NOT NULL DEFAULT 0,  -- of an apply: what of it went into planning once more
    started_at timestamptz NOT NULL,   -- by the clock of Postgres
    finished_at timestamptz,
    PRIMARY KEY (account_id, run_id, plan_number, phase, epoch, number),
    FOREIGN KEY (account_id, run_id) REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX unit_batches_lately ON unit_batches (account_id, stack_state_id, phase, started_at DESC);

ALTER TABLE unit_batches ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_batches FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit_batches
    USING (account_id = current_setting('stackly.account')::uuid)
    WITH CHECK (account_id = current_setting('stackly.account')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON unit_batches TO stackly_app;
