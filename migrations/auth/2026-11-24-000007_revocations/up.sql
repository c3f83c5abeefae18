-- What must stop working before it expires: written in the transaction that ends it, and read by every replica for its feed.
CREATE TABLE revocations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('session', 'user', 'client', 'key')),
    session_id  uuid,
    user_id     uuid,
    client_id   text,
    kid         text,
    -- Of a user or a client: what carries a smaller one is refused.
    least_epoch integer CHECK (least_epoch >= 0),
    -- When the last token that it concerns is dead.
    expires_at  timestamptz NOT NULL,
    -- Who wrote it: a reader's cursor is the oldest transaction that was open when it read, so that what commits late is not
    -- passed over. A sequence would not do, because numbers are given out before they are committed.
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CHECK (CASE kind
        WHEN 'session' THEN num_nonnulls(session_id) = 1 AND num_nonnulls(user_id, client_id, kid, least_epoch) = 0
        WHEN 'user' THEN num_nonnulls(user_id, least_epoch) = 2 AND num_nonnulls(session_id, client_id, kid) = 0
        WHEN 'client' THEN num_nonnulls(client_id, least_epoch) = 2 AND num_nonnulls(session_id, user_id, kid) = 0
        WHEN 'key' THEN num_nonnulls(kid) = 1 AND num_nonnulls(session_id, user_id, client_id, least_epoch) = 0
    END)
);

CREATE INDEX revocations_xid ON revocations (xid);
CREATE INDEX revocations_expires_at ON revocations (expires_at);

-- At most one row, put there by the first feed that finds none. PostgreSQL empties an unlogged table when it recovers from a
-- crash, and a standby or a restored backup starts with an empty one: the very moments after which transaction numbers that
-- a cursor has passed may be given out again.
CREATE UNLOGGED TABLE database_incarnation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id        uuid NOT NULL DEFAULT gen_random_uuid()
);
