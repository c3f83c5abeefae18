-- $1 id, $2 the audit row's id.
WITH deleted AS (
    UPDATE clients
    SET deleted_at = now(), epoch = epoch + 1, previous_secret_hash = NULL, previous_until = NULL
    WHERE id = $1 AND deleted_at IS NULL
    RETURNING id, epoch

), revoked AS (
    INSERT INTO revocations (kind, client_id, least_epoch, expires_at)
    SELECT 'client', id, epoch,
           now() + make_interval(secs => 10 + (SELECT coalesce(max(token_seconds), 86400) FROM signing_keys))
    FROM deleted

), audited AS (
    INSERT INTO audit_events (id, kind, detail)
    SELECT $2, 'client_deleted', jsonb_build_object('clientId', id, 'epoch', epoch)
    FROM deleted
)

SELECT epoch FROM deleted
