-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- mail_id, mail_lifetime, factor_id, secret_id, sealed) AS (…)`.

, written AS (
    INSERT INTO second_factors AS factor (user_id, id, secret_id, sealed)
    SELECT asking.id, given.factor_id, given.secret_id, given.sealed
    FROM given, asking
    WHERE asking.password_hash = given.verified
    ON CONFLICT (user_id) DO UPDATE
    SET id = excluded.id, secret_id = excluded.secret_id, sealed = excluded.sealed, created_at = now()
    -- As the row is under its lock: one that was confirmed meanwhile stays.
    WHERE factor.confirmed_at IS NULL
    RETURNING user_id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_enrolled', written.user_id, given.asking_session, given.address,
           given.user_agent, given.request_id, '{}'
    FROM given, written
)

SELECT EXISTS (SELECT FROM asking),
       EXISTS (SELECT FROM asking WHERE asking.password_hash = given.verified),
       EXISTS (SELECT FROM written)
FROM given
