-- $1 id, $2 hash of the new secret, $3 how long the old one is kept (NULL: not at all), $4 the audit row's id.
--
-- Kept, the old secret goes on and so do the tokens that were given for it. Not kept, it may be in somebody's hands, and all
-- that was given so far ends with it.
WITH rotated AS (
    UPDATE clients
    SET previous_secret_hash = CASE WHEN $3 IS NOT NULL THEN secret_hash END,
        previous_until = now() + $3,
        secret_hash = $2,
        epoch = epoch + CASE WHEN $3 IS NULL THEN 1 ELSE 0 END,
        rotated_at = now()
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING id, epoch, previous_until

), revoked AS (
    INSERT INTO revocations (kind, client_id, least_epoch, expires_at)
    SELECT 'client', id, epoch,
           -- A second or two for replicas' clocks, and a day where no key says how long tokens live.
           now() + make_interval(secs => 10 + (SELECT coalesce(max(token_seconds), 86400) FROM signing_keys))
    FROM rotated
    WHERE $3 IS NULL

), audited AS (
    INSERT INTO audit_events (id, kind, detail)
    SELECT $4, 'client_rotated', jsonb_build_object('clientId', id, 'epoch', epoch, 'oldSecretUntil', previous_until)
    FROM rotated
)

SELECT epoch FROM rotated
