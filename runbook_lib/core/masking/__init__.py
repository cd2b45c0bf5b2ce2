"""How secrets are found in text that somebody else wrote, in a time that grows with the text and no faster.

known.py    values that the settings hold, in any spelling
shapes.py   what looks like a vendor's key, a private key, the password of a URL
named.py    whatever stands under a name that tells of a secret
linear.py   the matching that they share
"""
