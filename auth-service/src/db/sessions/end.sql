-- Follows `WITH given (session_id, nonce_hash, address, user_agent, audit_id) AS (…)`.

, ended AS (
    UPDATE sessions
    SET ended_at = now(), ended_reason = 'logout'
    FROM given
    WHERE sessions.id = given.session_id
      AND sessions.nonce_hash = given.nonce_hash
      AND sessions.ended_at IS NULL
    RETURNING sessions.id, sessions.user_id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent)
    SELECT given.audit_id, 'logout', ended.user_id, ended.id, given.address, given.user_agent
    FROM given, ended
)

SELECT user_id FROM ended
