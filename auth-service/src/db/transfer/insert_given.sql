) AS given (id, email, password_hash, role, status, created_at, is_verified, verified_at)
LEFT JOIN (
    SELECT user_id, max(least_epoch) AS least_epoch FROM revocations WHERE kind = 'user' GROUP BY user_id
) AS revoked ON revoked.user_id = given.id
-- Two imports at once that want the same addresses wait for each other in one order, and so not for ever.
ORDER BY given.email COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING id
