-- A refresh changes generation, rotated_at and the device, and nothing else. None of them may be indexed, and pages keep
-- room for the next version of a row: so every refresh is a heap-only update. The idle expiry is derived from rotated_at
-- for the same reason. The columns that change stand together, so that the log holds little more than them.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    generation   bigint NOT NULL DEFAULT 0,
    rotated_at   timestamptz NOT NULL,
    epoch        integer NOT NULL CHECK (epoch >= 0),
    nonce_hash   bytea NOT NULL CHECK (octet_length(nonce_hash) = 32),
    delivery     text NOT NULL CHECK (delivery IN ('cookie', 'body')),
    amr          text[] NOT NULL,
    -- Who presented the token that was last replaced: one side of the story when another one turns up.
    address      text,
    user_agent   text,
    -- An ended session stays as a tombstone until its absolute expiry, so that its tokens are answered with the truth.
    ended_at     timestamptz,
    ended_reason text CHECK (ended_reason IN ('logout', 'late_previous', 'stale_lineage')),
    CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
