"""The doors to the outside: HTTP, SQL, programs, this machine; sources, procedures and rules know `observe` alone."""
