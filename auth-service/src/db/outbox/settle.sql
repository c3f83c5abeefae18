-- Follows `WITH given (mail_id, claim, outcome, reason, keeps_token, audit_id) AS (…)`.

, settled AS (
    UPDATE outbox
    SET settled_at = now(), outcome = given.outcome,
        secret_id = CASE WHEN given.keeps_token THEN outbox.secret_id END,
        sealed = CASE WHEN given.keeps_token THEN outbox.sealed END
    FROM given
    WHERE outbox.id = given.mail_id
      AND outbox.claim = given.claim
      AND outbox.settled_at IS NULL
    RETURNING outbox.id, outbox.kind, outbox.user_id, outbox.attempts
)

INSERT INTO audit_events (id, kind, user_id, detail)
SELECT given.audit_id, 'mail_not_sent', settled.user_id,
       jsonb_build_object('mail', settled.id, 'kind', settled.kind, 'outcome', given.outcome, 'reason', given.reason,
                          'attempts', settled.attempts)
FROM given, settled
WHERE given.outcome <> 'sent'
