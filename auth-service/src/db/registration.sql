-- Follows `WITH given (user_id, email, password_hash, token_hash, good_for, mail_id, secret_id, sealed, notice_for, address,
-- user_agent, request_id, audit_id) AS (…)`.

, known AS (
    SELECT users.id, users.email
    FROM given JOIN users ON users.email = given.email
    -- An account that is being deleted is waited for, and then not there.
    FOR KEY SHARE OF users

), made AS (
    -- An address that is taken is no error: PostgreSQL would write it into its own log.
    INSERT INTO users (id, email, password_hash, role)
    SELECT given.user_id, given.email, given.password_hash, 'USER'
    FROM given
    ON CONFLICT (email) DO NOTHING
    RETURNING id, email, epoch

), token AS (
    INSERT INTO mail_tokens (user_id, purpose, token_hash, email, epoch, expires_at)
    SELECT made.id, 'verify_email', given.token_hash, made.email, made.epoch, now() + given.good_for
    FROM given, made

), mailed AS (
    INSERT INTO outbox (id, kind, user_id, recipient, secret_id, sealed, token_hash, expires_at)
    SELECT given.mail_id, 'verify_email', made.id, made.email, given.secret_id, given.sealed, given.token_hash,
           now() + given.good_for
    FROM given, made
    UNION ALL
    SELECT given.mail_id, 'account_exists', known.id, known.email, NULL, NULL, NULL, now() + given.notice_for
    FROM given, known
    WHERE NOT EXISTS (SELECT FROM made)
)

INSERT INTO audit_events (id, kind, user_id, address, user_agent, request_id)
SELECT given.audit_id, CASE WHEN made.id IS NULL THEN 'registration_repeated' ELSE 'account_created' END,
       coalesce(made.id, known.id), given.address, given.user_agent, given.request_id
FROM given LEFT JOIN made ON true LEFT JOIN known ON true
