-- Now and then a worker is asked again to prove what it can do; until when it has to answer.

ALTER TABLE workers ADD COLUMN recheck_until timestamptz;
