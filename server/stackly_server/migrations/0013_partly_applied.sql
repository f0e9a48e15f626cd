-- Runs that are applied in rounds: what one round left is planned again. And batches of units that the server found not covered.

ALTER TABLE runs
    DROP CONSTRAINT runs_status_check,
    ADD CONSTRAINT runs_status_check CHECK (status IN ('QUEUED', 'PLANNING', 'AWAITING_APPROVAL', 'APPLY_QUEUED', 'APPLYING',
        'PARTIALLY_APPLIED', 'CANCELING', 'PLANNED_AND_FINISHED', 'APPLIED', 'FAILED', 'REJECTED', 'EXPIRED', 'SUPERSEDED',
        'CANCELED')),
    ADD COLUMN left_count int NOT NULL DEFAULT 0,        -- units that the last apply left: each leaves fewer
    ADD COLUMN left_units jsonb NOT NULL DEFAULT '[]';   -- the first of them, as unit, cause and detail

ALTER TABLE run_batches
    ADD COLUMN uncovered text[] NOT NULL DEFAULT '{}';   -- units whose plan, made again, was not what was approved
