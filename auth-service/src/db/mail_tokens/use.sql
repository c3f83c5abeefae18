-- Follows `WITH given (token_hash, purpose, …) AS (…)`, in a transaction that has locked the account: what is read of it stands.
DELETE FROM mail_tokens
USING given, users
WHERE mail_tokens.token_hash = given.token_hash
  AND mail_tokens.purpose = given.purpose
  AND mail_tokens.expires_at > now()
  AND users.id = mail_tokens.user_id
  AND users.email = mail_tokens.email
  AND users.epoch = mail_tokens.epoch
  AND users.status = 'active'
RETURNING mail_tokens.user_id
