"""Supabase Auth, as the sandbox plays it."""
