"""The records that sources bring and rules read: the one description of each, by what it is about. Plain dictionaries at run time.

A field that a vendor may not tell is None, never left out; one that stands there only sometimes is `NotRequired`, and says when.
`TypedDict` is that of `typing_extensions`: tests hold recorded answers against it, which Python 3.11's own does not allow.
Times are ISO 8601 in UTC unless a name says otherwise (`_ns`, `_s`, `_ms`).
"""
