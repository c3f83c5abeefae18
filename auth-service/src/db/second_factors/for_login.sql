-- Follows `WITH given (user_id, recovery_hash, keys, allowed, windows, longest, own_rules, addresses) AS (…)`.
--
-- One row, whether there is such an account, and a second factor of it, or not.
SELECT users.id, users.email, users.role, users.status, users.epoch, users.created_at, users.password_hash,
       users.email_verified_at,
       factor.id, factor.secret_id, factor.sealed, factor.confirmed_at IS NOT NULL, factor.last_step,
       now(),
       EXISTS (
           SELECT FROM recovery_codes AS code
           WHERE code.user_id = factor.user_id AND code.generation = factor.codes_generation
             AND code.hash = given.recovery_hash
       ),
       known.is_known, counted.throttled_by, counted.retry_after, counted.is_first
FROM given
LEFT JOIN users ON users.id = given.user_id
LEFT JOIN second_factors AS factor ON factor.user_id = users.id
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM login_addresses WHERE user_id = given.user_id AND address = ANY (given.addresses)
    ) AS is_known
) AS known
-- As at the first step: an address that has logged this account in before is held only to its own limit.
LEFT JOIN LATERAL count_attempt(
    CASE WHEN known.is_known THEN given.keys[1 : given.own_rules] ELSE given.keys END,
    given.allowed, given.windows, given.longest
) AS counted ON true
