-- What the code of a run is beyond its commit: modules that `init` fetched, and the lock file that it made. Resolved once, while
-- the run is planned; its bytes lie sealed among the large objects, under their SHA-256.

ALTER TABLE runs ADD COLUMN artifact_sha256 text NOT NULL DEFAULT '' CHECK (artifact_sha256 ~ '^([0-9a-f]{64})?$');
