-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- mail_id, mail_lifetime) AS (…)`. The recovery codes go with the row.

, removed AS (
    DELETE FROM second_factors AS factor
    USING given, asking
    WHERE factor.user_id = asking.id AND asking.password_hash = given.verified
    RETURNING factor.user_id, factor.confirmed_at

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_disabled', removed.user_id, given.asking_session, given.address,
           given.user_agent, given.request_id, jsonb_build_object('wasConfirmed', removed.confirmed_at IS NOT NULL)
    FROM given, removed

), told AS (
    INSERT INTO outbox (id, kind, user_id, recipient, detail, expires_at)
    SELECT given.mail_id, 'second_factor_changed', asking.id, asking.email, jsonb_build_object('change', 'disabled'),
           now() + given.mail_lifetime
    FROM given, asking, removed
    WHERE given.mail_id IS NOT NULL AND removed.confirmed_at IS NOT NULL
      AND may_be_told(asking.id, 'second_factor_changed')
)

SELECT EXISTS (SELECT FROM asking),
       EXISTS (SELECT FROM asking WHERE asking.password_hash = given.verified),
       EXISTS (SELECT FROM removed)
FROM given
