-- Follows `WITH given (user_id, least_epoch, revoked_for, actor_id, address, user_agent, request_id, detail, audit_id) AS (…)`, in
-- the transaction that has locked the account.
--
-- Sessions, and whatever else is the account's own, go with it by their foreign keys. A login at the same moment either has its
-- session already, which then goes too, or finds no account; its access token carries an epoch that is behind.

, ended AS (
    SELECT count(*) AS sessions
    FROM given JOIN sessions ON sessions.user_id = given.user_id
    WHERE sessions.ended_at IS NULL AND now() < sessions.expires_at

), revoked AS (
    INSERT INTO revocations (kind, user_id, least_epoch, expires_at)
    SELECT 'user', given.user_id, given.least_epoch, now() + given.revoked_for
    FROM given

), deleted AS (
    DELETE FROM users USING given WHERE users.id = given.user_id
)

INSERT INTO audit_events (id, kind, user_id, actor_id, address, user_agent, request_id, detail)
SELECT given.audit_id, 'account_deleted', given.user_id, given.actor_id, given.address, given.user_agent, given.request_id,
       given.detail || jsonb_build_object('epoch', given.least_epoch, 'sessions', ended.sessions)
FROM given, ended
