-- From which records a plan by units was made: the sum of their generations, which only grows.

ALTER TABLE plans ADD COLUMN record_generations bigint NOT NULL DEFAULT 0;
