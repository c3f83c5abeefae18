-- Boxes that say another lifetime open only with the column: those keys go, and a new one is made.
DELETE FROM signing_keys WHERE token_seconds <> 86400;
ALTER TABLE signing_keys
    DROP CONSTRAINT signing_keys_times,
    DROP COLUMN token_seconds;
