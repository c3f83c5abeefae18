-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, session_id, revoked_for, address, user_agent,
-- request_id, audit_id) AS (…)`.

, ended AS (
    UPDATE sessions
    SET ended_at = now(), ended_reason = 'ended_by_user'
    FROM given, asking
    WHERE sessions.id = given.session_id
      AND sessions.user_id = asking.id
      AND sessions.ended_at IS NULL
    RETURNING sessions.id, sessions.user_id

), revoked AS (
    INSERT INTO revocations (kind, session_id, expires_at)
    SELECT 'session', ended.id, now() + given.revoked_for
    FROM given, ended

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'session_ended', ended.user_id, ended.id, given.address, given.user_agent, given.request_id,
           jsonb_build_object('reason', 'ended_by_user', 'fromSession', given.asking_session)
    FROM given, ended
)

SELECT EXISTS (SELECT FROM sessions WHERE sessions.id = given.session_id AND sessions.user_id = asking.id)
FROM given, asking
