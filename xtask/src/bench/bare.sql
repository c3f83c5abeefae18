-- pgbench script: the least that a refresh can be, one UPDATE by primary key that also reads the account.
\set number random(1, :sessions)
UPDATE sessions
SET generation = sessions.generation + 1, rotated_at = now(), address = '127.0.0.1', user_agent = 'bench'
FROM users
WHERE sessions.id = ('00000000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid
  AND users.id = sessions.user_id
RETURNING users.id, users.email, users.role, sessions.generation, sessions.rotated_at, sessions.epoch, sessions.delivery,
          sessions.amr, sessions.created_at, sessions.expires_at;
