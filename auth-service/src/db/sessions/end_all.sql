-- Follows `WITH given (user_id, epoch, kept_session, reason, revoked_for, kind, session_id, actor_id, address, user_agent,
-- request_id, detail, audit_id) AS (…)`, in the transaction that has raised the account's epoch.
--
-- A session that a login opens at the same moment is not seen here. It carries the epoch from before, and so does its access
-- token, so that both are refused all the same.

, kept AS (
    UPDATE sessions
    SET epoch = given.epoch
    FROM given
    WHERE sessions.id = given.kept_session
      AND sessions.user_id = given.user_id
      AND sessions.ended_at IS NULL

-- In the order in which refreshes that are sent together take them.
), locked AS MATERIALIZED (
    SELECT sessions.id
    FROM given, sessions
    WHERE sessions.user_id = given.user_id
      AND sessions.ended_at IS NULL
    ORDER BY sessions.id
    FOR UPDATE OF sessions

), ended AS (
    UPDATE sessions
    SET ended_at = now(), ended_reason = given.reason
    FROM given, locked
    WHERE sessions.id = locked.id
      AND sessions.id IS DISTINCT FROM given.kept_session
      AND sessions.ended_at IS NULL
    RETURNING sessions.id

), revoked AS (
    INSERT INTO revocations (kind, user_id, least_epoch, expires_at)
    SELECT 'user', given.user_id, given.epoch, now() + given.revoked_for
    FROM given
)

INSERT INTO audit_events (id, kind, user_id, session_id, actor_id, address, user_agent, request_id, detail)
SELECT given.audit_id, given.kind, given.user_id, given.session_id, given.actor_id, given.address, given.user_agent,
       given.request_id,
       given.detail || jsonb_build_object('reason', given.reason, 'epoch', given.epoch,
                                          'sessions', (SELECT count(*) FROM ended))
FROM given
