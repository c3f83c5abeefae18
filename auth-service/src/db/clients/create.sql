-- $1 id, $2 hash of the secret, $3 scopes, $4 the audit row's id.
WITH created AS (
    INSERT INTO clients AS client (id, secret_hash, scopes)
    VALUES ($1, $2, $3)
    -- One that was deleted comes back with the epoch that its end left.
    ON CONFLICT (id) DO UPDATE
    SET secret_hash = excluded.secret_hash, scopes = excluded.scopes, created_at = now(), rotated_at = now(), deleted_at = NULL
    WHERE client.deleted_at IS NOT NULL
    RETURNING id, epoch, scopes

), audited AS (
    INSERT INTO audit_events (id, kind, detail)
    SELECT $4, 'client_created', jsonb_build_object('clientId', id, 'epoch', epoch, 'scopes', scopes)
    FROM created
)

SELECT epoch FROM created
