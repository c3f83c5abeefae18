-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- mail_id, mail_lifetime, factor_id, step, hashes) AS (…)`. No password takes part.

, standing AS (
    -- A password that is being replaced is waited for: its session has ended then.
    SELECT users.id
    FROM asking JOIN users ON users.id = asking.id
    WHERE users.epoch = asking.epoch AND users.status = 'active'
    FOR SHARE OF users

), confirmed AS (
    UPDATE second_factors AS factor
    -- The code that confirms is used up by it.
    SET confirmed_at = now(), last_step = given.step
    FROM given, standing
    WHERE factor.user_id = standing.id AND factor.id = given.factor_id AND factor.confirmed_at IS NULL
      -- The password that began it does not count for ever.
      AND factor.created_at > now() - interval '1 hour'
    RETURNING factor.user_id, factor.codes_generation

), added AS (
    INSERT INTO recovery_codes (user_id, hash, generation)
    SELECT confirmed.user_id, hash, confirmed.codes_generation
    FROM given, confirmed, unnest(given.hashes) AS hash

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_confirmed', confirmed.user_id, given.asking_session, given.address,
           given.user_agent, given.request_id, '{}'
    FROM given, confirmed

), told AS (
    INSERT INTO outbox (id, kind, user_id, recipient, detail, expires_at)
    SELECT given.mail_id, 'second_factor_changed', asking.id, asking.email, jsonb_build_object('change', 'enabled'),
           now() + given.mail_lifetime
    FROM given, asking, confirmed
    WHERE given.mail_id IS NOT NULL
      AND may_be_told(asking.id, 'second_factor_changed')
)

SELECT EXISTS (SELECT FROM standing), true, EXISTS (SELECT FROM confirmed)
FROM given
