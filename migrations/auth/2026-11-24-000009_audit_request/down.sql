ALTER TABLE audit_events DROP COLUMN actor_id, DROP COLUMN request_id;
