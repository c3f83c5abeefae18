CREATE TABLE users (
    id            uuid PRIMARY KEY,
    -- Trimmed, NFC and lower-cased by the service, so plain equality is the rule.
    email         text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('USER', 'ADMIN')),
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    -- Raised whenever what was issued before must stop working; sessions and tokens carry the value they were made with.
    epoch         integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    created_at    timestamptz NOT NULL DEFAULT now()
);
