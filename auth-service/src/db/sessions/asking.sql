-- Follows `WITH given (asking_session, asking_user, idle, …) AS (…)`.
--
-- `asking` is the account of the live session in which the caller asks: no row, no live session.
, asking AS (
    SELECT users.*
    FROM given
    JOIN sessions ON sessions.id = given.asking_session AND sessions.user_id = given.asking_user
    JOIN users ON users.id = sessions.user_id
    WHERE sessions.ended_at IS NULL
      AND now() < sessions.expires_at
      AND now() < sessions.rotated_at + given.idle
      AND sessions.epoch >= users.epoch
      AND users.status = 'active'
)
