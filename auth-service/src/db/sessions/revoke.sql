-- Follows `WITH given (session_id, user_id, nonce_hash, client_id, revoked_for, address, user_agent, audit_id) AS (…)`.

, ended AS (
    UPDATE sessions
    SET ended_at = now(), ended_reason = 'logout'
    FROM given
    WHERE sessions.id = given.session_id
      -- One of them is given: an access token names the account, a refresh token proves the session.
      AND (sessions.user_id = given.user_id OR sessions.nonce_hash = given.nonce_hash)
      AND sessions.ended_at IS NULL
    RETURNING sessions.id, sessions.user_id

), revoked AS (
    INSERT INTO revocations (kind, session_id, expires_at)
    SELECT 'session', ended.id, now() + given.revoked_for
    FROM given, ended

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, detail)
    SELECT given.audit_id, 'session_ended', ended.user_id, ended.id, given.address, given.user_agent,
           jsonb_build_object('reason', 'logout', 'byClient', given.client_id)
    FROM given, ended
)

SELECT user_id FROM ended
