DROP TABLE database_incarnation;
DROP TABLE revocations;
