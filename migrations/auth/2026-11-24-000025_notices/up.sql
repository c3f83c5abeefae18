-- Whether an account is told of something by mail. Not where nobody has proved that they read it: anybody can register an address,
-- and then change the password of the account all day. Not more than ten times a day of one thing either: who was told so often knows.
CREATE FUNCTION may_be_told(account uuid, about text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM users WHERE users.id = account AND users.email_verified_at IS NOT NULL)
       AND (SELECT count(*) < 10
            FROM (SELECT FROM outbox
                  WHERE outbox.user_id = account AND outbox.kind = about AND outbox.created_at > now() - interval '1 day'
                  LIMIT 10) AS told)
$$;

-- One more kind of mail. The list only grows, so no row has to be looked at.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
    'verify_email', 'reset_password', 'account_exists', 'password_changed', 'new_device', 'second_factor_changed',
    'second_factor_failures')) NOT VALID;
