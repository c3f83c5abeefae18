-- Accounts whose password is printed somewhere. Production does not start while one of them is an ADMIN.
CREATE TABLE demo_accounts (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE
);
