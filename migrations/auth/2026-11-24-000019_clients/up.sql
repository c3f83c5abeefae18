-- Internal services that get tokens of their own. A secret is 32 random bytes, so its plain SHA-256 says nothing about it.
CREATE TABLE clients (
    id                   text PRIMARY KEY CHECK (id ~ '^[a-z][a-z0-9_-]{0,63}$' AND id <> 'portcullis'),
    secret_hash          bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- The secret before a rotation with an overlap, and until when it is taken.
    previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
    previous_until       timestamptz,
    scopes               text[] NOT NULL,
    -- Raised whenever what was issued before must stop working. It never falls, also not when a deleted client is made again:
    -- else the revocation of the old one would refuse the tokens of the new one.
    epoch                integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    created_at           timestamptz NOT NULL DEFAULT now(),
    -- When its secret was last drawn.
    rotated_at           timestamptz NOT NULL DEFAULT now(),
    -- A deleted client stays for the sake of its epoch.
    deleted_at           timestamptz,
    CHECK ((previous_secret_hash IS NULL) = (previous_until IS NULL))
);
