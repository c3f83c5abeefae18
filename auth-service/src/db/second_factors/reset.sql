-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- mail_id, mail_lifetime, user_id) AS (…)`. No password takes part.

, removed AS (
    DELETE FROM second_factors AS factor
    USING given, asking
    WHERE factor.user_id = given.user_id AND asking.role = 'ADMIN'
    RETURNING factor.user_id, factor.confirmed_at

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, actor_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_reset', removed.user_id, given.asking_user, given.address,
           given.user_agent, given.request_id, jsonb_build_object('wasConfirmed', removed.confirmed_at IS NOT NULL)
    FROM given, removed

), told AS (
    INSERT INTO outbox (id, kind, user_id, recipient, detail, expires_at)
    SELECT given.mail_id, 'second_factor_changed', users.id, users.email, jsonb_build_object('change', 'reset'),
           now() + given.mail_lifetime
    FROM given, removed JOIN users ON users.id = removed.user_id
    WHERE given.mail_id IS NOT NULL AND removed.confirmed_at IS NOT NULL
      AND may_be_told(users.id, 'second_factor_changed')
)

SELECT EXISTS (SELECT FROM asking WHERE asking.role = 'ADMIN'), true, EXISTS (SELECT FROM users WHERE users.id = given.user_id)
FROM given
