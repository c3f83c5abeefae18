-- Follows `WITH given (email, keys, allowed, windows, longest, own_rules, addresses) AS (…)`.
--
-- One row, whether there is such an account or not.
SELECT users.id, users.email, users.role, users.status, users.epoch, users.created_at, users.password_hash,
       users.email_verified_at, factor.id, known.is_known, counted.throttled_by, counted.retry_after, counted.is_first
FROM given
LEFT JOIN users ON users.email = given.email
LEFT JOIN second_factors AS factor ON factor.user_id = users.id AND factor.confirmed_at IS NOT NULL
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM login_addresses WHERE user_id = users.id AND address = ANY (given.addresses)
    ) AS is_known
) AS known
-- An address that has logged this account in before is held only to its own limit.
LEFT JOIN LATERAL count_attempt(
    CASE WHEN known.is_known THEN given.keys[1 : given.own_rules] ELSE given.keys END,
    given.allowed, given.windows, given.longest
) AS counted ON true
