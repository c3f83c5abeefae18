-- Follows `WITH given (after, beyond) AS (…)`: the snapshot of the last read, or one that has seen nothing, and the id after
-- which this page begins.
--
-- The statement and its pg_current_snapshot() see the same, so what is not found now is not visible in that snapshot, and
-- the next read asks for exactly that. Rows of a transaction that was open then are found whenever it commits.

SELECT head.*, found.id, found.xid::text::bigint, found.kind, found.session_id, found.user_id, found.client_id, found.kid,
       found.least_epoch, found.expires_at
FROM (
    SELECT (SELECT id FROM database_incarnation),
           (SELECT oid FROM pg_database WHERE datname = current_database()),
           pg_current_snapshot()::text,
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           now()
) AS head (incarnation, database, snapshot, xmin, now)
CROSS JOIN given
LEFT JOIN LATERAL (
    SELECT *
    -- In two parts, so that each is a look into the index.
    FROM (
        SELECT * FROM revocations WHERE xid >= pg_snapshot_xmax(given.after::pg_snapshot)
        UNION ALL
        SELECT revocations.*
        FROM pg_snapshot_xip(given.after::pg_snapshot) AS open (xid) JOIN revocations USING (xid)
        -- The planner cannot know that in this one nothing was open.
        WHERE given.after <> '3:3:'
    ) AS unseen
    WHERE unseen.id > given.beyond AND unseen.expires_at > now()
    ORDER BY unseen.id
    LIMIT 10000
) AS found ON true
