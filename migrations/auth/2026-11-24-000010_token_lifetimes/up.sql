-- How long the tokens that a key signs live at most: with the times of its successor this tells when the last one is dead, also
-- after JWT_ACCESS_TTL was changed. Sealed with the rest of the label. A day is the longest JWT_ACCESS_TTL there is, and what boxes
-- count as that were sealed before this was written on them.
ALTER TABLE signing_keys
    ADD COLUMN token_seconds integer NOT NULL DEFAULT 86400 CHECK (token_seconds > 0);
