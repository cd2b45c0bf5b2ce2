"""Looks at Vercel."""
