-- Row security on every table, forced, so that not even its owner sees past it; and the few rights of the app role.
-- The setting `stackly.account` is the tenant: unset, every read and write fails. The setting `stackly.scope` opens
-- only the routing tables: `routing` reads routes, `relay` works the outbox.

DO $$
DECLARE
    name text;
    tenant text := $p$ account_id = current_setting('stackly.account')::uuid $p$;
    maybe text := $p$ account_id = nullif(current_setting('stackly.account', true), '')::uuid $p$;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        IF name NOT IN ('routes', 'outbox') THEN
            EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', name, tenant, tenant);
        END IF;
        IF name IN ('events', 'audit_entries', 'state_versions', 'state_quarantine', 'approvals', 'policy_revisions',
                    'stack_code_versions', 'plans', 'resource_changes') THEN
            EXECUTE format('GRANT SELECT, INSERT ON %I TO stackly_app', name);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO stackly_app', name);
        END IF;
    END LOOP;
    EXECUTE format('CREATE POLICY tenant ON routes USING (%s) WITH CHECK (%s)', maybe, maybe);
    EXECUTE $p$ CREATE POLICY routing ON routes FOR SELECT USING (current_setting('stackly.scope', true) = 'routing') $p$;
    EXECUTE format('CREATE POLICY tenant ON outbox USING (%s) WITH CHECK (%s)', maybe, maybe);
    EXECUTE $p$ CREATE POLICY relay ON outbox USING (current_setting('stackly.scope', true) = 'relay')
        WITH CHECK (current_setting('stackly.scope', true) = 'relay') $p$;
END $$;
