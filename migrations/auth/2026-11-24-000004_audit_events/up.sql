-- No foreign keys: the trail outlives what it speaks of.
CREATE TABLE audit_events (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    kind       text NOT NULL,
    user_id    uuid,
    session_id uuid,
    address    text,
    user_agent text,
    detail     jsonb NOT NULL DEFAULT '{}'
);
