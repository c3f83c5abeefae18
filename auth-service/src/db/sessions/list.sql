-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, after, page) AS (…)`.

SELECT sessions.id, sessions.address, sessions.user_agent, sessions.created_at, sessions.rotated_at, sessions.expires_at
FROM given CROSS JOIN asking JOIN sessions ON sessions.user_id = asking.id
WHERE sessions.ended_at IS NULL
  AND now() < sessions.expires_at
  AND now() < sessions.rotated_at + given.idle
  AND sessions.epoch >= asking.epoch
  AND (given.after IS NULL OR sessions.id < given.after)
ORDER BY sessions.id DESC
LIMIT (SELECT page FROM given)
