-- Follows `WITH given (token_hash, purpose, address, user_agent, request_id, audit_id) AS (…)`.

, account AS (
    -- The account first, as everybody takes them: who deletes it takes its tokens after it.
    SELECT users.id
    FROM given
    JOIN mail_tokens ON mail_tokens.token_hash = given.token_hash AND mail_tokens.purpose = given.purpose
    JOIN users ON users.id = mail_tokens.user_id
    FOR NO KEY UPDATE OF users

), used AS (
    DELETE FROM mail_tokens
    USING given, account
    WHERE mail_tokens.user_id = account.id
      AND mail_tokens.token_hash = given.token_hash
      AND mail_tokens.purpose = given.purpose
      AND mail_tokens.expires_at > now()
    RETURNING mail_tokens.user_id, mail_tokens.email, mail_tokens.epoch

), verified AS (
    -- Asked of the row under its lock: what has changed since is seen.
    UPDATE users
    SET email_verified_at = coalesce(users.email_verified_at, now())
    FROM used
    WHERE users.id = used.user_id
      AND users.email = used.email
      AND users.epoch = used.epoch
      AND users.status = 'active'
    RETURNING users.id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, address, user_agent, request_id)
    SELECT given.audit_id, 'email_verified', verified.id, given.address, given.user_agent, given.request_id
    FROM given, verified
)

SELECT id FROM verified
