-- What Supabase sets for its roles. Healing runs this again, because settings of roles outlive a restored database.
alter role anon reset all;
alter role authenticated reset all;
alter role service_role reset all;
alter role authenticator reset all;
alter role postgres reset all;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role service_role nologin noinherit bypassrls;
alter role authenticated nologin noinherit nobypassrls;
alter role anon nologin noinherit nobypassrls;
notify pgrst, 'reload config';
