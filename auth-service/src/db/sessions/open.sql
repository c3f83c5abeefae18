-- Follows `WITH given (session_id, user_id, epoch, password_hash, nonce_hash, delivery, amr, address, user_agent, request_id,
-- absolute, audit_id, rehashed, remembered, refunded, allowed, cleared) AS (…)`.

, opened AS (
    INSERT INTO sessions (id, user_id, created_at, expires_at, rotated_at, epoch, nonce_hash, delivery, amr, address,
                          user_agent)
    SELECT given.session_id, users.id, now(), now() + given.absolute, now(), users.epoch, given.nonce_hash,
           given.delivery, given.amr, given.address, given.user_agent
    FROM given JOIN users ON users.id = given.user_id
    -- As they were when the password was verified: a login that overlaps a change opens nothing.
    -- A hash that was to be replaced anyway may have been by another login; whoever changes a password raises the epoch.
    WHERE (users.password_hash = given.password_hash OR given.rehashed IS NOT NULL)
      AND users.epoch = given.epoch
      AND users.status = 'active'
    -- An account that is being deleted is waited for, and then not there; the foreign key would fail the statement.
    FOR KEY SHARE OF users
    RETURNING id, user_id, created_at, expires_at

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'login', opened.user_id, opened.id, given.address, given.user_agent,
           given.request_id, jsonb_build_object('amr', given.amr, 'delivery', given.delivery)
    FROM given, opened

), rehashed AS (
    UPDATE users SET password_hash = given.rehashed
    FROM given, opened
    -- The one that was verified: what replaced it meanwhile stays.
    WHERE users.id = opened.user_id AND users.password_hash = given.password_hash AND given.rehashed IS NOT NULL

), remembered AS (
    INSERT INTO login_addresses (user_id, address)
    SELECT opened.user_id, given.remembered
    FROM given, opened
    WHERE given.remembered IS NOT NULL
    -- Once a day is often enough to know which are still in use.
    ON CONFLICT (user_id, address) DO UPDATE SET last_used_at = now()
    WHERE login_addresses.last_used_at < now() - interval '1 day'
)

SELECT opened.created_at, opened.expires_at
FROM given, opened, LATERAL refund_attempt(given.refunded, given.allowed, given.cleared)
