"""08: would we get it back?"""
