-- Follows `asking.sql` and `WITH given (asking_session, asking_user, idle, verified, address, user_agent, request_id, audit_id,
-- mail_id, mail_lifetime, hashes) AS (…)`.

, factor AS (
    -- Two sets that are made at once wait for each other here. Each deletes what its snapshot shows, so the earlier one's codes
    -- may stay; their generation is over.
    UPDATE second_factors
    SET codes_generation = codes_generation + 1
    FROM given, asking
    WHERE user_id = asking.id AND confirmed_at IS NOT NULL AND asking.password_hash = given.verified
    RETURNING user_id, codes_generation

), removed AS (
    DELETE FROM recovery_codes USING factor WHERE recovery_codes.user_id = factor.user_id

), added AS (
    INSERT INTO recovery_codes (user_id, hash, generation)
    SELECT factor.user_id, hash, factor.codes_generation
    FROM given, factor, unnest(given.hashes) AS hash

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, session_id, address, user_agent, request_id, detail)
    SELECT given.audit_id, 'recovery_codes_replaced', factor.user_id, given.asking_session, given.address,
           given.user_agent, given.request_id, '{}'
    FROM given, factor

), told AS (
    INSERT INTO outbox (id, kind, user_id, recipient, detail, expires_at)
    SELECT given.mail_id, 'second_factor_changed', asking.id, asking.email, jsonb_build_object('change', 'recovery_codes'),
           now() + given.mail_lifetime
    FROM given, asking, factor
    WHERE given.mail_id IS NOT NULL
      AND may_be_told(asking.id, 'second_factor_changed')
)

SELECT EXISTS (SELECT FROM asking),
       EXISTS (SELECT FROM asking WHERE asking.password_hash = given.verified),
       EXISTS (SELECT FROM factor)
FROM given
