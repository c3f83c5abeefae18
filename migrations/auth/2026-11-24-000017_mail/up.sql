-- When it was proved that mail to the address is read by the account's owner, or somebody vouched for it.
ALTER TABLE users ADD COLUMN email_verified_at timestamptz;

-- What links in mails prove. One of a purpose for each account: a newer one takes the place of the one before. It is good only
-- while the account has the epoch and the address that it was made for.
CREATE TABLE mail_tokens (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    text NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    email      text NOT NULL,
    epoch      integer NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, purpose)
);

CREATE INDEX mail_tokens_expires_at ON mail_tokens (expires_at);

-- Mails to be sent, written by what causes them. The text is made when it is sent; a token that it is to carry lies here sealed
-- under a key derived from JWT_SECRET, and goes when the mail has gone.
CREATE TABLE outbox (
    id            uuid PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('verify_email', 'reset_password', 'account_exists', 'password_changed',
                                                'new_device')),
    -- A deleted account gets no more mail.
    user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient     text NOT NULL,
    -- What the text tells beside the token. Never a secret.
    detail        jsonb NOT NULL DEFAULT '{}',
    secret_id     bytea CHECK (octet_length(secret_id) = 4),
    sealed        bytea,
    -- Of that token: while it waits, the mail is good only if the token still is.
    token_hash    bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- After this it is no use any more.
    expires_at    timestamptz NOT NULL,
    -- Not before this; while somebody is at it, the end of their lease.
    due_at        timestamptz NOT NULL DEFAULT now(),
    -- Who is at it, or was last.
    claim         uuid,
    attempts      integer NOT NULL DEFAULT 0,
    settled_at    timestamptz,
    outcome       text CHECK (outcome IN ('sent', 'refused', 'expired', 'unreadable')),
    CHECK ((secret_id IS NULL) = (sealed IS NULL)),
    CHECK ((settled_at IS NULL) = (outcome IS NULL))
);

CREATE INDEX outbox_due_at ON outbox (due_at) WHERE settled_at IS NULL;
CREATE INDEX outbox_settled_at ON outbox (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX outbox_user_id ON outbox (user_id);
