-- Follows `WITH given (user_id, email, purpose, token_hash, good_for, mail_id, secret_id, sealed, kind, address,
-- user_agent, request_id, audit_id) AS (…)`.

, account AS (
    SELECT users.id, users.email, users.epoch
    FROM given JOIN users ON users.id = given.user_id OR users.email = given.email
    WHERE users.status = 'active'
      AND (given.purpose <> 'verify_email' OR users.email_verified_at IS NULL)
    -- An account that is being deleted is waited for, and then not there.
    FOR KEY SHARE OF users

), token AS (
    INSERT INTO mail_tokens (user_id, purpose, token_hash, email, epoch, expires_at)
    SELECT account.id, given.purpose, given.token_hash, account.email, account.epoch, now() + given.good_for
    FROM given, account
    ON CONFLICT (user_id, purpose) DO UPDATE
    SET token_hash = excluded.token_hash, email = excluded.email, epoch = excluded.epoch,
        expires_at = excluded.expires_at

), mailed AS (
    INSERT INTO outbox (id, kind, user_id, recipient, secret_id, sealed, token_hash, expires_at)
    SELECT given.mail_id, given.purpose, account.id, account.email, given.secret_id, given.sealed, given.token_hash,
           now() + given.good_for
    FROM given, account
    WHERE given.mail_id IS NOT NULL

), audited AS (
    -- Also when there is no such account: both write, and both wait for the disk.
    INSERT INTO audit_events (id, kind, user_id, address, user_agent, request_id)
    SELECT given.audit_id, given.kind, account.id, given.address, given.user_agent, given.request_id
    FROM given LEFT JOIN account ON true
)

SELECT id FROM account
