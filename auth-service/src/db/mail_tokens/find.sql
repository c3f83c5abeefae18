-- Follows `WITH given (token_hash, purpose, …) AS (…)`.
SELECT users.id, users.email, users.password_hash
FROM given
JOIN mail_tokens ON mail_tokens.token_hash = given.token_hash AND mail_tokens.purpose = given.purpose
JOIN users ON users.id = mail_tokens.user_id AND users.email = mail_tokens.email AND users.epoch = mail_tokens.epoch
WHERE mail_tokens.expires_at > now()
  AND users.status = 'active'
