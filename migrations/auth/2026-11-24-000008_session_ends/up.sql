-- Every reason for which a session ends. The list only grows, so no row has to be looked at.
ALTER TABLE sessions DROP CONSTRAINT sessions_ended_reason_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_ended_reason_check CHECK (ended_reason IN (
    'logout', 'ended_by_user', 'logout_all', 'password_changed', 'role_changed', 'account_disabled', 'ended_by_admin',
    'late_previous', 'stale_lineage')) NOT VALID;
