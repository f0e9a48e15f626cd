-- Audits of the engine: what each found, and the engine that must not be trusted with a stack state.

ALTER TABLE runs
    DROP CONSTRAINT runs_type_check,
    ADD CONSTRAINT runs_type_check CHECK (type IN ('APPLY', 'PLAN_ONLY', 'DESTROY', 'AUDIT')),
    DROP CONSTRAINT runs_trigger_check,
    ADD CONSTRAINT runs_trigger_check CHECK (trigger IN ('API', 'PUSH', 'SCHEDULE'));

CREATE TABLE engine_audits (
    account_id uuid NOT NULL REFERENCES accounts,
    run_id uuid NOT NULL,
    stack_state_id uuid NOT NULL,
    plan_number integer NOT NULL,
    build text NOT NULL,               -- our engine, such as `0.1.0/1`
    report jsonb NOT NULL,             -- as the runner handed it in
    result text NOT NULL DEFAULT '' CHECK (result IN ('', 'CLEAN', 'DRIFT', 'UNSOUND', 'NOTHING')),    -- '' until it is settled
    reason text NOT NULL DEFAULT '',
    findings jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, run_id, plan_number),
    FOREIGN KEY (account_id, run_id) REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX engine_audits_newest ON engine_audits (account_id, stack_state_id, created_at DESC);

ALTER TABLE engine_audits ENABLE ROW LEVEL SECURITY;
ALTER TABLE engine_audits FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON engine_audits
    USING (account_id = current_setting('stackly.account')::uuid)
    WITH CHECK (account_id = current_setting('stackly.account')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON engine_audits TO stackly_app;

ALTER TABLE stack_states
    ADD COLUMN suspended_build text NOT NULL DEFAULT '';   -- our engine that must not cut it into units; '' none, '*' any
