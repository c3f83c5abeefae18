-- Follows `WITH given (session_id, user_id, epoch, password_hash, nonce_hash, delivery, amr, address, user_agent, request_id,
-- absolute, audit_id, rehashed, remembered, mail_id, notice_for, known_as, refunded, allowed, cleared,
-- factor_id, step, recovery_hash) AS (…)`.

, standing AS (
    SELECT users.id, users.epoch
    FROM given JOIN users ON users.id = given.user_id
    -- As they were when the password was verified: a login that overlaps a change opens nothing.
    -- A hash that was to be replaced anyway may have been by another login; whoever changes a password raises the epoch.
    WHERE (users.password_hash = given.password_hash OR given.rehashed IS NOT NULL)
      AND users.epoch = given.epoch
      AND users.status = 'active'
    -- An account that is being deleted is waited for, and then not there; the foreign key would fail the statement.
    FOR KEY SHARE OF users

), stepped AS (
    -- Judged on the row as it is once its lock is held: of those that show one code at once the first takes the step.
    UPDATE second_factors AS factor
    SET last_step = given.step
    FROM given, standing
    WHERE factor.user_id = standing.id
      AND factor.id = given.factor_id
      AND factor.confirmed_at IS NOT NULL
      AND given.step > coalesce(factor.last_step, -1)
    RETURNING factor.user_id

), recovered AS (
    DELETE FROM recovery_codes AS code
    USING given, standing, second_factors AS factor
    WHERE factor.user_id = standing.id
      AND factor.id = given.factor_id
      AND factor.confirmed_at IS NOT NULL
      AND code.user_id = factor.user_id
      AND code.generation = factor.codes_generation
      AND code.hash = given.recovery_hash
    RETURNING code.user_id

), proved AS (
    SELECT user_id FROM stepped
    UNION ALL
    SELECT user_id FROM recovered
    UNION ALL
    -- The password alone, while no second factor is in force.
    SELECT standing.id
    FROM given, standing
    WHERE given.factor_id IS NULL
      AND NOT EXISTS (
          SELECT FROM second_factors AS factor
          WHERE factor.user_id = standing.id AND factor.confirmed_at IS NOT NULL
      )

), opened AS (
    INSERT INTO sessions (id, user_id, created_at, expires_at, rotated_at, epoch, nonce_hash, delivery, amr, address,
                          user_agent)
    SELECT given.session_id, standing.id, now(), now() + given.absolute, now(), standing.epoch, given.nonce_hash,
           given.delivery, given.amr, given.address, given.user_agent
    FROM given, standing JOIN proved ON proved.user_id = standing.id
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

), told AS (
    -- As things were before this login: the first one of an account is no news.
    INSERT INTO outbox (id, kind, user_id, recipient, detail, expires_at)
    SELECT given.mail_id, 'new_device', users.id, users.email,
           jsonb_build_object('address', given.address, 'userAgent', given.user_agent), now() + given.notice_for
    FROM given, opened JOIN users ON users.id = opened.user_id
    WHERE given.mail_id IS NOT NULL
      AND EXISTS (SELECT FROM login_addresses WHERE login_addresses.user_id = opened.user_id)
      AND NOT EXISTS (SELECT FROM login_addresses
                      WHERE login_addresses.user_id = opened.user_id
                        AND login_addresses.address = ANY (given.known_as))
      AND may_be_told(users.id, 'new_device')
)

SELECT opened.created_at, opened.expires_at
FROM given, opened, LATERAL refund_attempt(given.refunded, given.allowed, given.cleared)
