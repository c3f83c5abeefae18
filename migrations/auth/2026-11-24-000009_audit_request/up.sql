ALTER TABLE audit_events
    -- Who did it, when that is not the account that it was done to.
    ADD COLUMN actor_id   uuid,
    -- Leads to the log lines of the request, the gateway's too.
    ADD COLUMN request_id text;
