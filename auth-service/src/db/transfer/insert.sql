 (id, email, password_hash, role, status, epoch, created_at, email_verified_at)
SELECT given.id, given.email, given.password_hash, given.role, given.status,
       -- Somebody who was deleted here comes back under the old id: what was revoked then is refused for a while yet, and what is
       -- issued from now on must not be.
       coalesce(revoked.least_epoch, 0),
       coalesce(given.created_at, now()),
       CASE WHEN given.is_verified THEN coalesce(given.verified_at, now()) END
FROM unnest(
