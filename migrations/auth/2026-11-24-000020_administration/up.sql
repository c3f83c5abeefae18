-- Administrators look for accounts by the beginning of the address, or of its domain. Byte order, so that a beginning is a range;
-- the index answers in its own order, so that a page costs a page however many match.
CREATE INDEX users_email_order ON users (email COLLATE "C");
CREATE INDEX users_domain_order ON users (split_part(email, '@', 2) COLLATE "C", email COLLATE "C");

-- The few among the many: lists of them, and whether there is another administrator.
CREATE INDEX users_admins ON users (id) WHERE role = 'ADMIN';
CREATE INDEX users_disabled ON users (id) WHERE status = 'disabled';

-- Whose trail it is, who did it, what it was; each in the order of the ids, which is that of time.
CREATE INDEX audit_events_user_id ON audit_events (user_id, id);
CREATE INDEX audit_events_actor_id ON audit_events (actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_kind ON audit_events (kind, id);
