-- Everything that a refresh may be beside a plain rotation: a token presented again, one that is ahead, a theft, a refusal.
-- `sessions/refresh.sql` asks this function when it rotated nothing. It is a function because PostgreSQL prepares all of a
-- statement for execution each time, also the parts that will not run, and those cost more than the rotation itself.
--
-- Replicas of two versions may call it at once: changed arguments or columns need a function of another name.
--
-- `seen` is the row as this statement's snapshot has it: it says only whether there is anything to write. `session` is the
-- row under its lock, which may be newer; everything that is written is decided on it. See refresh.rs.
CREATE FUNCTION refresh_otherwise(
    session_id uuid, nonce_hash bytea, delivery text, generation bigint, grace interval, idle interval,
    revoked_for interval, address text, user_agent text, request_id text, audit_id uuid
) RETURNS TABLE (
    outcome text, user_id uuid, email text, role text, current_generation bigint, rotated_at timestamptz, epoch integer,
    session_delivery text, amr text[], created_at timestamptz, expires_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH given (session_id, nonce_hash, delivery, generation, grace, idle, revoked_for, address, user_agent, request_id,
                audit_id)
    AS NOT MATERIALIZED (SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

    , written AS (
        UPDATE sessions AS session
        SET -- Ahead of the row: adopted. The current one, new from login or after the grace: rotated.
            generation = CASE
                WHEN given.generation > session.generation
                  OR given.generation = session.generation
                     AND (session.generation = 0 OR now() >= session.rotated_at + given.grace)
                THEN given.generation + 1 ELSE session.generation END,
            rotated_at = CASE
                WHEN given.generation > session.generation
                  OR given.generation = session.generation
                     AND (session.generation = 0 OR now() >= session.rotated_at + given.grace)
                THEN now() ELSE session.rotated_at END,
            address = CASE WHEN given.generation >= session.generation THEN given.address ELSE session.address END,
            user_agent = CASE WHEN given.generation >= session.generation THEN given.user_agent ELSE session.user_agent END,
            -- The previous one after the grace, or an older one at any time: theft.
            ended_at = CASE
                WHEN given.generation < session.generation - 1
                  OR given.generation < session.generation AND now() >= session.rotated_at + given.grace
                THEN now() END,
            ended_reason = CASE
                WHEN given.generation < session.generation - 1 THEN 'stale_lineage'
                WHEN given.generation < session.generation AND now() >= session.rotated_at + given.grace THEN 'late_previous'
                END
        FROM given, sessions AS seen JOIN users ON users.id = seen.user_id
        WHERE seen.id = given.session_id
          AND session.id = given.session_id
          AND seen.nonce_hash = given.nonce_hash
          AND seen.delivery = given.delivery
          AND session.ended_at IS NULL
          AND now() < seen.expires_at
          AND now() < seen.rotated_at + given.idle
          AND users.status = 'active'
          AND seen.epoch >= users.epoch
          -- Within the grace the current and the previous token change nothing.
          AND NOT (given.generation BETWEEN seen.generation - 1 AND seen.generation
                   AND seen.generation > 0 AND now() < seen.rotated_at + given.grace)
        RETURNING session.*, users.email, users.role, seen.generation AS seen_generation

    ), revoked AS (
        INSERT INTO revocations (kind, session_id, expires_at)
        SELECT 'session', written.id, now() + given.revoked_for
        FROM given, written
        WHERE written.ended_at IS NOT NULL

    ), audited AS (
        INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
        SELECT given.audit_id, 'refresh_token_reused', written.user_id, written.id, given.address, given.user_agent,
               given.request_id,
               jsonb_build_object('reason', written.ended_reason,
                                  'generation', given.generation,
                                  'currentGeneration', written.generation,
                                  'rotatedAt', written.rotated_at,
                                  'lastAddress', written.address,
                                  'lastUserAgent', written.user_agent)
        FROM given, written
        WHERE written.ended_at IS NOT NULL
    )

    -- What was written,
    SELECT CASE
             WHEN written.ended_at IS NOT NULL THEN written.ended_reason
             WHEN written.rotated_at = now() AND given.generation > written.seen_generation THEN 'adopted'
             WHEN written.rotated_at = now() THEN 'rotated'
             -- Somebody else changed the row between the snapshot and the lock.
             WHEN written.generation = given.generation THEN 'repeated'
             ELSE 'caught_up'
           END,
           user_id, email, role, written.generation, rotated_at, epoch, written.delivery, amr, created_at, expires_at
    FROM written, given

    UNION ALL

    -- or why nothing was.
    SELECT CASE
             WHEN seen.nonce_hash <> given.nonce_hash OR seen.delivery <> given.delivery THEN 'invalid_token'
             WHEN users.status <> 'active' THEN 'account_disabled'
             WHEN seen.ended_at IS NOT NULL THEN 'session_ended'
             WHEN now() >= seen.expires_at OR now() >= seen.rotated_at + given.idle THEN 'session_expired'
             WHEN seen.epoch < users.epoch THEN 'session_ended'
             WHEN given.generation = seen.generation AND seen.generation > 0
                  AND now() < seen.rotated_at + given.grace THEN 'repeated'
             WHEN given.generation = seen.generation - 1
                  AND now() < seen.rotated_at + given.grace THEN 'caught_up'
             -- There was something to write, and somebody else ended the session first.
             ELSE 'session_ended'
           END,
           seen.user_id, users.email, users.role, seen.generation, seen.rotated_at, seen.epoch, seen.delivery, seen.amr,
           seen.created_at, seen.expires_at
    FROM given, sessions AS seen JOIN users ON users.id = seen.user_id
    WHERE seen.id = given.session_id
      AND NOT EXISTS (SELECT FROM written);
END
$$;
