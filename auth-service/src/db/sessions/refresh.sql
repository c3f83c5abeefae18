-- Follows `WITH given (session_id, nonce_hash, delivery, generation, grace, idle, revoked_for, address, user_agent,
-- request_id, audit_id) AS (…)`.

-- What nearly every refresh is: the current token, new from login or after the grace.
, rotated AS (
    UPDATE sessions AS session
    SET generation = given.generation + 1,
        rotated_at = now(),
        address = given.address,
        user_agent = given.user_agent
    FROM given, users
    WHERE session.id = given.session_id
      AND users.id = session.user_id
      AND session.nonce_hash = given.nonce_hash
      AND session.delivery = given.delivery
      AND session.ended_at IS NULL
      AND now() < session.expires_at
      AND now() < session.rotated_at + given.idle
      AND users.status = 'active'
      AND session.epoch >= users.epoch
      AND session.generation = given.generation
      AND (session.generation = 0 OR now() >= session.rotated_at + given.grace)
    RETURNING 'rotated', users.id, users.email, users.role, session.generation, session.rotated_at, session.epoch,
              session.delivery, session.amr, session.created_at, session.expires_at
)

SELECT * FROM rotated

UNION ALL

-- Everything else.
SELECT otherwise.*
FROM given, refresh_otherwise(given.session_id, given.nonce_hash, given.delivery, given.generation, given.grace, given.idle,
                              given.revoked_for, given.address, given.user_agent, given.request_id, given.audit_id)
            AS otherwise
WHERE NOT EXISTS (SELECT FROM rotated)
