-- Every certificate that a worker got and that has not ended: a ban must revoke all of them, and a call under one that is
-- not here is refused.

CREATE TABLE worker_certificates (
    account_id uuid NOT NULL REFERENCES accounts,
    serial text NOT NULL,              -- hex, without colons and leading zeros
    worker_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (account_id, serial),
    FOREIGN KEY (account_id, worker_id) REFERENCES workers ON DELETE CASCADE
);
CREATE INDEX worker_certificates_worker ON worker_certificates (account_id, worker_id);

ALTER TABLE worker_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE worker_certificates FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON worker_certificates
    USING (account_id = current_setting('stackly.account')::uuid)
    WITH CHECK (account_id = current_setting('stackly.account')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_certificates TO stackly_app;
