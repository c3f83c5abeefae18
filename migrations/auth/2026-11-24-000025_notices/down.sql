DELETE FROM outbox WHERE kind = 'second_factor_failures';
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
    'verify_email', 'reset_password', 'account_exists', 'password_changed', 'new_device', 'second_factor_changed')) NOT VALID;
DROP FUNCTION may_be_told(uuid, text);
