-- How often somebody has failed, under keys that say neither who nor from where (HMACs). Unlogged: a count is written before each
-- hash and worth nothing after a quarter of an hour, so it waits for no disk, and a crash of the server forgives what was
-- counted. See docs/decisions/2026-11-24-throttling.md.
CREATE UNLOGGED TABLE throttles (
    key           bytea PRIMARY KEY CHECK (octet_length(key) = 16),
    failures      integer NOT NULL CHECK (failures >= 0),
    -- Nothing is tried before that.
    blocked_until timestamptz,
    -- From then on the row means nothing.
    expires_at    timestamptz NOT NULL,
    -- Whether somebody was turned away by this deadline already: the first one is on record.
    told          boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);

CREATE INDEX throttles_expires_at ON throttles (expires_at);

-- From where an account has been logged in before: who comes from there again is held only to a limit of its own.
CREATE TABLE login_addresses (
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address      bytea NOT NULL CHECK (octet_length(address) = 16),
    -- To the day.
    last_used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, address)
);

CREATE INDEX login_addresses_last_used_at ON login_addresses (last_used_at);

-- Counts an attempt under each key, unless a deadline that stood before it forbids one of them: then it is counted nowhere.
-- No row: it may be made. `throttle/limit.rs` says the same of one key, and is what to read first.
--
-- `longest` is NULL where the window's end is the deadline; otherwise it is one second, doubling up to that.
--
-- Rows are locked in the order of `keys`, in which everybody names them. Replicas of two versions may call this at once: changed
-- arguments need a function of another name.
CREATE FUNCTION count_attempt(keys bytea[], allowed integer[], windows interval[], longest interval[])
RETURNS TABLE (throttled_by integer, retry_after double precision, is_first boolean) LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    attempts integer;
    ends timestamptz;
    until timestamptz;
BEGIN
    -- Whoever is turned away locks and writes nothing, however often it happens.
    SELECT place, throttles.blocked_until INTO throttled_by, until
    FROM unnest(keys) WITH ORDINALITY AS given (key, place) JOIN throttles USING (key)
    WHERE throttles.blocked_until > now()
    ORDER BY throttles.blocked_until DESC LIMIT 1;

    IF NOT FOUND THEN
        FOR place IN 1 .. cardinality(keys) LOOP
            INSERT INTO throttles AS stored (key, failures, expires_at)
            VALUES (keys[place], 1, now() + windows[place])
            ON CONFLICT (key) DO UPDATE
            SET failures = CASE WHEN stored.expires_at <= now() THEN 1 ELSE stored.failures + 1 END,
                expires_at = CASE WHEN stored.expires_at <= now() THEN excluded.expires_at ELSE stored.expires_at END,
                blocked_until = NULL,
                told = false
            -- As the row is under its lock: of those that come at once only the allowed ones get through.
            WHERE stored.blocked_until IS NULL OR stored.blocked_until <= now()
            RETURNING failures, expires_at INTO attempts, ends;

            IF NOT FOUND THEN
                throttled_by := place;
                SELECT throttles.blocked_until INTO until FROM throttles WHERE key = keys[place];
                UPDATE throttles SET failures = failures - 1, blocked_until = NULL WHERE key = ANY (keys[1 : place - 1]);
                EXIT;
            END IF;

            IF attempts >= allowed[place] THEN
                until := CASE WHEN longest[place] IS NULL THEN ends
                    ELSE now() + least(longest[place], interval '1 s' * 2 ^ least(attempts - allowed[place], 30)) END;
                UPDATE throttles
                SET blocked_until = until,
                    expires_at = CASE WHEN longest[place] IS NULL THEN ends ELSE until + windows[place] END
                WHERE key = keys[place];
            END IF;
        END LOOP;
    END IF;

    IF throttled_by IS NOT NULL THEN
        UPDATE throttles SET told = true WHERE key = keys[throttled_by] AND NOT told;
        is_first := FOUND;
        retry_after := greatest(extract(epoch FROM until - now()), 0);
        RETURN NEXT;
    END IF;
END
$$;

-- Takes an attempt back that did not fail. Where `cleared` says so, all failures are forgotten with it. Answers under how many
-- keys.
CREATE FUNCTION refund_attempt(keys bytea[], allowed integer[], cleared boolean[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    FOR place IN 1 .. cardinality(keys) LOOP
        UPDATE throttles
        SET failures = CASE WHEN cleared[place] THEN 0 ELSE greatest(failures - 1, 0) END,
            blocked_until = CASE WHEN NOT cleared[place] AND failures > allowed[place] THEN blocked_until END
        WHERE key = keys[place];
    END LOOP;
    RETURN cardinality(keys);
END
$$;
