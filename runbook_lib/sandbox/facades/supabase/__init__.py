"""Supabase's gateway and Management API, as the sandbox plays them."""
