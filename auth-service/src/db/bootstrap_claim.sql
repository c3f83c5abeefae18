-- Follows `WITH given (token_hash, user_id, email, password_hash, role, audit_id) AS (…)`.

, claimed AS (
    UPDATE bootstrap
    SET closed_at = now(), token_hash = NULL, expires_at = NULL
    FROM given
    WHERE bootstrap.token_hash = given.token_hash
      AND bootstrap.expires_at > now()
      AND bootstrap.closed_at IS NULL
    RETURNING bootstrap.singleton

), made AS (
    INSERT INTO users (id, email, password_hash, role)
    SELECT given.user_id, given.email, given.password_hash, given.role
    FROM given, claimed
    RETURNING id

), audited AS (
    INSERT INTO audit_events (id, kind, user_id)
    SELECT given.audit_id, 'account_created', made.id
    FROM given, made
)

SELECT id FROM made
