DROP FUNCTION refresh_otherwise;
