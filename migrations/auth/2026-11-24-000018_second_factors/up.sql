-- The second factor of an account: the secret that it shares with an authenticator app, sealed under a key derived from
-- JWT_SECRET. See docs/second-factor.md.
CREATE TABLE second_factors (
    user_id          uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Of this enrolment: sealed with the secret, and in the challenge of a login.
    id               uuid NOT NULL,
    secret_id        bytea NOT NULL CHECK (octet_length(secret_id) = 4),
    sealed           bytea NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- NULL: enrolled, and not in force yet.
    confirmed_at     timestamptz,
    -- The 30-second step of the last code that was taken. It and those before are used up.
    last_step        bigint CHECK (last_step >= 0),
    -- Of the recovery codes that are good: others are left over from a set that was replaced at the same time.
    codes_generation integer NOT NULL DEFAULT 0,
    CHECK (confirmed_at IS NOT NULL OR last_step IS NULL)
);

-- A row is good for one login, which deletes it.
CREATE TABLE recovery_codes (
    user_id    uuid NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    generation integer NOT NULL,
    PRIMARY KEY (user_id, hash)
);
