-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- user_id) AS (…)`. No password takes part.

, removed AS (
    DELETE FROM second_factors AS factor
    USING given, asking
    WHERE factor.user_id = given.user_id
    RETURNING factor.user_id, factor.confirmed_at

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, actor_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_reset', removed.user_id, given.asking_user, given.address,
           given.user_agent, given.request_id, jsonb_build_object('wasConfirmed', removed.confirmed_at IS NOT NULL)
    FROM given, removed
)

SELECT EXISTS (SELECT FROM asking), true, EXISTS (SELECT FROM users WHERE users.id = given.user_id)
FROM given
