-- Follows `WITH given (token_hash, user_id, email, password_hash, role, address, user_agent, request_id,
-- audit_id) AS (…)`.

, claimed AS (
    UPDATE bootstrap
    SET closed_at = now(), token_hash = NULL, expires_at = NULL
    FROM given
    WHERE bootstrap.token_hash = given.token_hash
      AND bootstrap.expires_at > now()
      AND bootstrap.closed_at IS NULL
      -- The token stays good, and PostgreSQL does not write the address into its log as it does for a violated constraint.
      AND NOT EXISTS (SELECT FROM users WHERE users.email = given.email)
    RETURNING bootstrap.singleton

), made AS (
    -- Whoever starts the service vouches for the address.
    INSERT INTO users (id, email, password_hash, role, email_verified_at)
    SELECT given.user_id, given.email, given.password_hash, given.role, now()
    FROM given, claimed
    RETURNING id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id, address, user_agent, request_id)
    SELECT given.audit_id, 'account_created', made.id, given.address, given.user_agent, given.request_id
    FROM given, made
)

SELECT id FROM made
