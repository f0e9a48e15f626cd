-- What the engine keeps of each unit's last apply, and what a plan says of units.

CREATE TABLE unit_records (
    account_id uuid NOT NULL REFERENCES accounts,
    stack_state_id uuid NOT NULL,
    unit text NOT NULL,
    generation bigint NOT NULL,        -- grows by one with each clearing and each writing
    record bytea,                      -- sealed; NULL once an apply began, until it came out well
    exports bytea,                     -- sealed; stays when the record is cleared
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, stack_state_id, unit),
    FOREIGN KEY (account_id, stack_state_id) REFERENCES state_heads ON DELETE CASCADE,
    CHECK (generation > 0),
    CHECK (record IS NULL OR exports IS NOT NULL)
);

ALTER TABLE unit_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_records FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit_records
    USING (account_id = current_setting('stackly.account')::uuid)
    WITH CHECK (account_id = current_setting('stackly.account')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON unit_records TO stackly_app;

ALTER TABLE plans
    ADD COLUMN units jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN whole_reasons text[] NOT NULL DEFAULT '{}';
