#!/bin/sh
# Two databases, each with a role of its own that owns it and nothing else. Run by the PostgreSQL image when its
# data folder is new; by hand anywhere else, with the PG… variables of a superuser.
set -eu
create() {
    psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=name="$1" --set=password="$2" --username="${POSTGRES_USER:-postgres}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
create portcullis_auth "$AUTH_DATABASE_PASSWORD"
create portcullis_orders "$ORDERS_DATABASE_PASSWORD"
