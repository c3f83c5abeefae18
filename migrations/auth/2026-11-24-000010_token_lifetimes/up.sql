-- How long the tokens that a key signs live at most: with the times of its successor this tells when the last one is dead, also
-- after JWT_ACCESS_TTL was changed. Sealed with the rest of the label. A day is the longest JWT_ACCESS_TTL there is, and what boxes
-- count as that were sealed before this was written on them.
ALTER TABLE signing_keys
    ADD COLUMN token_seconds integer NOT NULL DEFAULT 86400 CHECK (token_seconds > 0),
    -- 'infinity' and the like: a row that nobody can read would keep all the others from being read.
    ADD CONSTRAINT signing_keys_times CHECK (
        created_at BETWEEN '0001-01-01 00:00Z' AND '9000-01-01 00:00Z'
        AND signs_from BETWEEN '0001-01-01 00:00Z' AND '9000-01-01 00:00Z'
    );
