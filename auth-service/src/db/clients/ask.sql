-- Follows `WITH given (client_id, session_id, subject_client) AS (…)`.
--
-- The client that somebody says to be, and beside it whatever the token that they ask about stands or falls with: always one
-- row, of which each part may be empty.
SELECT now(),
       client.id, client.secret_hash, client.previous_secret_hash, client.previous_until, client.scopes, client.epoch,
       session.user_id, session.generation, session.rotated_at, session.nonce_hash, session.delivery, session.epoch,
       session.expires_at, session.ended_reason,
       users.email, users.role, users.status, users.epoch,
       subject.epoch
FROM given
LEFT JOIN clients AS client ON client.id = given.client_id AND client.deleted_at IS NULL
LEFT JOIN sessions AS session ON session.id = given.session_id
LEFT JOIN users ON users.id = session.user_id
LEFT JOIN clients AS subject ON subject.id = given.subject_client AND subject.deleted_at IS NULL
