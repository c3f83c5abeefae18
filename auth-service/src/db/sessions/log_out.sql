-- Follows `WITH given (session_id, nonce_hash, revoked_for, address, user_agent, request_id, audit_id) AS (…)`.

, ended AS (
    UPDATE sessions
    SET ended_at = now(), ended_reason = 'logout'
    FROM given
    WHERE sessions.id = given.session_id
      AND sessions.nonce_hash = given.nonce_hash
      AND sessions.ended_at IS NULL
    RETURNING sessions.id, sessions.user_id

), revoked AS (
    INSERT INTO revocations (kind, session_id, expires_at)
    SELECT 'session', ended.id, now() + given.revoked_for
    FROM given, ended

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id)
    SELECT given.audit_id, 'logout', ended.user_id, ended.id, given.address, given.user_agent, given.request_id
    FROM given, ended
)

SELECT user_id FROM ended
