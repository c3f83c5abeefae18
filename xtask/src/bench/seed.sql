-- psql script: makes accounts, a session each, and the sessions' first refresh tokens, without a login and its hash.
--   {secret}   JWT_SECRET, 64 hex digits       {sessions}  how many
--   {warm_up}  a file for one token in ten     {measured}  a file for the rest
-- The layout of a token is that of docs/refresh-token.md; keys come from the secret by HKDF-SHA256 (RFC 5869).

CREATE FUNCTION pg_temp.masked(key bytea, mask integer) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE block bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
BEGIN
    FOR i IN 0..63 LOOP block := set_byte(block, i, get_byte(block, i) # mask); END LOOP;
    RETURN block;
END $$;
CREATE FUNCTION pg_temp.hmac(key bytea, message bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(pg_temp.masked(key, 92) || sha256(pg_temp.masked(key, 54) || message))
$$;
CREATE FUNCTION pg_temp.derived(secret bytea, label text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.hmac(pg_temp.hmac('', secret), convert_to(label, 'UTF8') || '\x01')
$$;

TRUNCATE users, sessions, audit_events CASCADE;

-- Ids in the order of their making, as UUIDv7 are.
CREATE TEMP TABLE numbered AS
SELECT number,
       ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid AS id,
       substr(sha256(int8send(number)), 1, 16) AS nonce
FROM generate_series(1, {sessions}) AS number;

INSERT INTO users (id, email, password_hash, role)
SELECT id, 'user' || number || '@example.com', 'none', 'USER' FROM numbered;

-- Seen from where they will be refreshed: a client that moves or changes its name is the exception.
INSERT INTO sessions (id, user_id, created_at, expires_at, rotated_at, epoch, nonce_hash, delivery, amr, address, user_agent)
SELECT id, id, now(), now() + interval '30 days', now(), 0, sha256(nonce), 'cookie', '{pwd}', '127.0.0.1', 'bench'
FROM numbered;

CREATE TEMP TABLE tokens AS
WITH secret AS MATERIALIZED (
    SELECT substr(pg_temp.derived(bytes, 'portcullis/secret-id/v1'), 1, 4) AS id,
           pg_temp.masked(pg_temp.derived(bytes, 'portcullis/refresh/v1'), 92) AS outer_block,
           pg_temp.masked(pg_temp.derived(bytes, 'portcullis/refresh/v1'), 54) AS inner_block
    FROM decode('{secret}', 'hex') AS bytes
), tagged AS (
    SELECT number, said, sha256(outer_block || sha256(inner_block || said)) AS tag
    FROM secret, numbered, LATERAL (
        SELECT '\x01' || secret.id || '\x00' || uuid_send(numbered.id) || int8send(0) || nonce AS said
    ) AS token
)
SELECT number, translate(encode(said || tag, 'base64'), E'+/\n', '-_') AS token FROM tagged;

-- In no order, as users come.
\copy (SELECT token FROM tokens WHERE number % 10 = 0 ORDER BY hashint8(number)) TO '{warm_up}'
\copy (SELECT token FROM tokens WHERE number % 10 > 0 ORDER BY hashint8(number)) TO '{measured}'

VACUUM ANALYZE;
CHECKPOINT;
