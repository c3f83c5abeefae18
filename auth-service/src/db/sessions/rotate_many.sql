-- Follows `WITH given (session_ids, nonce_hashes, deliveries, generations, addresses, user_agents, grace, idle) AS (…)`.
--
-- What refresh.sql does first, for many tokens at once; the conditions are the same, and each row is judged by itself. A
-- token that does not rotate gives no row and is left as it is.
--
-- The ids come in order, and the plan takes them one after the other, so two of these never wait for each other in a circle.
UPDATE sessions AS session
SET generation = asked.generation + 1,
    rotated_at = now(),
    address = asked.address,
    user_agent = asked.user_agent
FROM given,
     unnest(given.session_ids, given.nonce_hashes, given.deliveries, given.generations, given.addresses, given.user_agents)
         AS asked (session_id, nonce_hash, delivery, generation, address, user_agent),
     users
WHERE session.id = asked.session_id
  AND users.id = session.user_id
  AND session.nonce_hash = asked.nonce_hash
  AND session.delivery = asked.delivery
  AND session.ended_at IS NULL
  AND now() < session.expires_at
  AND now() < session.rotated_at + given.idle
  AND users.status = 'active'
  AND session.epoch >= users.epoch
  AND session.generation = asked.generation
  AND (session.generation = 0 OR now() >= session.rotated_at + given.grace)
RETURNING session.id, 'rotated', users.id, users.email, users.role, session.generation, session.rotated_at, session.epoch,
          session.delivery, session.amr, session.created_at, session.expires_at
