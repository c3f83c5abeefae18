DROP TRIGGER first_admin_closes_bootstrap ON users;
DROP FUNCTION close_bootstrap;
DROP TABLE bootstrap;
