-- The private half is one AES-256-GCM box under a key derived from JWT_SECRET; kid, algorithm and times are sealed with it.
-- The public half is no column: it is computed from the opened box, so a row that the secret did not seal is never used.
CREATE TABLE signing_keys (
    kid        text PRIMARY KEY,
    algorithm  text NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
    created_at timestamptz NOT NULL,
    -- From when it signs. It is published from created_at on.
    signs_from timestamptz NOT NULL,
    -- The name of the secret that the box was sealed under.
    secret_id  bytea NOT NULL CHECK (octet_length(secret_id) = 4),
    sealed     bytea NOT NULL
);
