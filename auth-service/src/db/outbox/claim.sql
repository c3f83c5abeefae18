-- Follows `WITH given (claim, lease, at_most, kinds) AS (…)`.

, due AS (
    SELECT outbox.id
    FROM outbox
    WHERE outbox.settled_at IS NULL
      AND outbox.due_at <= now()
      -- A replica that is newer knows kinds that this one cannot write.
      AND outbox.kind = ANY (SELECT unnest(kinds) FROM given)
    ORDER BY outbox.due_at
    LIMIT (SELECT at_most FROM given)
    FOR UPDATE SKIP LOCKED
)

UPDATE outbox
SET claim = given.claim, due_at = now() + given.lease, attempts = outbox.attempts + 1
FROM given, due
WHERE outbox.id = due.id
RETURNING outbox.id, outbox.kind, outbox.recipient, outbox.detail, outbox.secret_id, outbox.sealed, outbox.created_at,
          outbox.attempts,
          -- Whether it still says something that is true: a token that is used, replaced or dead is not worth a mail.
          outbox.expires_at > now() AND (outbox.token_hash IS NULL OR EXISTS (
              SELECT FROM mail_tokens JOIN users ON users.id = mail_tokens.user_id
              WHERE mail_tokens.token_hash = outbox.token_hash
                AND mail_tokens.expires_at > now()
                AND users.email = mail_tokens.email
                AND users.epoch = mail_tokens.epoch
                AND users.status = 'active'))
