"""What is wrong with the walls of a database, read from its catalogue alone."""

from collections.abc import Iterator

from server.rules.tables import Tables
from stackly_server.dev.parts.postgres import APP_ROLE

# Tables whose rows are found before the tenant is known; a second policy opens them for that alone.
ROUTING = {"routes", "outbox"}
# One for all accounts: names that are taken once, and random ones.
SHARED_KEYS = {"accounts_name_key", "routes_pkey", "namespaces_temporal_namespace_key"}
# The ledger, states, plans and approvals: the app may add to them, and nothing else.
APPEND_ONLY = {
    "approvals", "audit_entries", "events", "plans", "policy_revisions", "resource_changes", "stack_code_versions",
    "state_quarantine", "state_versions",
}  # fmt: skip
_ONE = "(account_id = (current_setting('stackly.account'::text))::uuid)"
_MAYBE = "(account_id = (NULLIF(current_setting('stackly.account'::text, true), ''::text))::uuid)"
_RELAY = "(current_setting('stackly.scope'::text, true) = 'relay'::text)"
_SCOPES = {
    ("routes", "routing", "SELECT", "(current_setting('stackly.scope'::text, true) = 'routing'::text)", None),
    ("outbox", "relay", "ALL", _RELAY, _RELAY),
}
_TABLES = "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND oid::regclass::text <> 'schema_migrations'"


def holes(tables: Tables) -> list[str]:
    """All of them, each in words."""
    return [
        *_columns(tables),
        *_security(tables),
        *_foreign_keys(tables),
        *_unique_keys(tables),
        *_role(tables),
        *_grants(tables),
    ]


def _columns(tables: Tables) -> Iterator[str]:
    query = f"""
        SELECT oid::regclass::text FROM ({_TABLES}) AS tables (oid) WHERE NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = oid AND attname = 'account_id' AND attnotnull
                AND atttypid = 'uuid'::regtype AND attnum > 0)
    """  # noqa: S608  (constants)
    yield from (f"{name} has no account_id NOT NULL" for (name,) in tables.rows(query))


def _security(tables: Tables) -> Iterator[str]:
    query = f"SELECT oid::regclass::text FROM pg_class WHERE oid IN ({_TABLES}) AND NOT (relrowsecurity AND relforcerowsecurity)"  # noqa: S608
    yield from (f"{name} has no forced row security" for (name,) in tables.rows(query))
    rows = tables.rows(
        "SELECT tablename, policyname, cmd, qual, with_check, roles, permissive FROM pg_policies WHERE schemaname = 'public'"
    )
    wanted = {(name, "tenant", "ALL", *[_MAYBE if name in ROUTING else _ONE] * 2) for name in tables.names} | _SCOPES
    found = {row[:5] for row in rows}
    yield from (f"{row[0]} lacks the policy {row[1:]}" for row in wanted - found)
    yield from (f"{row[0]} has a policy of its own: {row[1:]}" for row in found - wanted)
    yield from (f"{row[0]} has a policy that depends on roles" for row in rows if row[5] != ["public"])


def _foreign_keys(tables: Tables) -> Iterator[str]:
    """No row can point into another account; every table hangs on the accounts."""
    keys = tables.rows("""
        SELECT conrelid::regclass::text, conname, EXISTS (
            SELECT FROM unnest(conkey, confkey) AS pair (one, other)
            JOIN pg_attribute near ON near.attrelid = conrelid AND near.attnum = one
            JOIN pg_attribute far ON far.attrelid = confrelid AND far.attnum = other
            WHERE near.attname = 'account_id' AND far.attname = 'account_id'
        ) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    """)
    yield from (f"the key {name} leaves the account" for _, name, paired in keys if not paired)
    yield from (f"{name} hangs on nothing" for name in set(tables.names) - {key[0] for key in keys} - {"accounts"})


def _unique_keys(tables: Tables) -> Iterator[str]:
    """Else one account could see by a clash what another has."""
    rows = tables.rows(f"""
        SELECT indexrelid::regclass::text FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indisunique AND attname <> 'account_id' AND indrelid IN ({_TABLES})
    """)  # noqa: S608  (constants)
    yield from (f"the unique key {name} is shared by accounts" for (name,) in rows if name not in SHARED_KEYS)


def _role(tables: Tables) -> Iterator[str]:
    """The app role owns nothing and passes no wall; nothing acts with rights that are not its caller's."""
    query = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = %s"
    if tables.row(query, APP_ROLE)[0]:
        yield "the app role has attributes of an administrator"
    for what, query in {
        "is a member of": "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole",
        "owns": "SELECT relname FROM pg_class WHERE relowner = %s::regrole",
        "may create in": "SELECT nspname FROM pg_namespace WHERE nspname = 'public' AND has_schema_privilege(%s, oid, 'CREATE')",
    }.items():
        yield from (f"the app role {what} {name}" for (name,) in tables.rows(query, APP_ROLE))
    yield from (f"{name} acts as its owner" for (name,) in tables.rows("""
        SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT relname FROM pg_class WHERE relkind IN ('v', 'm', 'f') AND relnamespace = 'public'::regnamespace
    """))  # fmt: skip


def _grants(tables: Tables) -> Iterator[str]:
    rows = tables.rows(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee IN (%s, 'PUBLIC') AND table_schema = 'public'", APP_ROLE,
    )  # fmt: skip
    for table, privilege in rows:
        few = {"SELECT", "INSERT"} | (set() if table in APPEND_ONLY else {"UPDATE", "DELETE"})
        if privilege not in few:
            yield f"the app role may {privilege} {table}"
