ALTER TABLE sessions DROP CONSTRAINT sessions_ended_reason_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_ended_reason_check
    CHECK (ended_reason IN ('logout', 'late_previous', 'stale_lineage')) NOT VALID;
