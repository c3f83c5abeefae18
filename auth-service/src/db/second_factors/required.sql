-- Follows `WITH given (user_id, verified, rehashed, refunded, allowed, cleared, address, user_agent, request_id, audit_id)
-- AS (…)`.

, rehashed AS (
    UPDATE users SET password_hash = given.rehashed
    FROM given
    -- The one that was verified: what replaced it meanwhile stays.
    WHERE users.id = given.user_id AND users.password_hash = given.verified AND given.rehashed IS NOT NULL
    RETURNING users.id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'second_factor_required', given.user_id, given.address, given.user_agent,
           given.request_id, '{}'
    FROM given
)

SELECT now(), EXISTS (SELECT FROM rehashed)
FROM given, LATERAL refund_attempt(given.refunded, given.allowed, given.cleared)
