-- At most one row. `closed_at` is set when the first ADMIN exists, and then bootstrap is over for good, whatever becomes
-- of that ADMIN.
CREATE TABLE bootstrap (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    token_hash bytea CHECK (octet_length(token_hash) = 32),
    expires_at timestamptz,
    closed_at  timestamptz
);

-- Whoever makes an ADMIN closes bootstrap by it: a rule that no statement can forget.
CREATE FUNCTION close_bootstrap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bootstrap (closed_at) VALUES (now())
    ON CONFLICT (singleton) DO UPDATE SET closed_at = now(), token_hash = NULL, expires_at = NULL
    WHERE bootstrap.closed_at IS NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER first_admin_closes_bootstrap AFTER INSERT OR UPDATE OF role ON users
FOR EACH ROW WHEN (NEW.role = 'ADMIN') EXECUTE FUNCTION close_bootstrap();
