DROP FUNCTION refund_attempt(bytea[], integer[], boolean[]);
DROP FUNCTION count_attempt(bytea[], integer[], interval[], interval[]);
DROP TABLE login_addresses;
DROP TABLE throttles;
