"""Looks at Supabase's APIs."""
