-- Follows `WITH given (keys, allowed, windows, longest, own_rules, addresses, email, user_id) AS (…)`.
SELECT known.is_known, counted.throttled_by, counted.retry_after, counted.is_first
FROM given
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM login_addresses
        WHERE user_id = coalesce(given.user_id, (SELECT id FROM users WHERE users.email = given.email))
          AND address = ANY (given.addresses)
    ) AS is_known
) AS known
LEFT JOIN LATERAL count_attempt(
    CASE WHEN known.is_known THEN given.keys[1 : given.own_rules] ELSE given.keys END,
    given.allowed, given.windows, given.longest
) AS counted ON true
