"""HTTP within the sandbox: on loopback, never through TLS or a proxy.

An httpx client reads the machine's certificates when it is made, which costs more than everything else that a call here does;
these get a context that holds none, so that no TLS connection could be trusted.
"""

import ssl
from functools import cache
from typing import Any

import httpx


@cache
def no_tls() -> ssl.SSLContext:
    """A TLS context without certificates, made once."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def async_client(**options: Any) -> httpx.AsyncClient:
    """An httpx.AsyncClient for the sandbox's own addresses; to be closed by the caller."""
    return httpx.AsyncClient(verify=no_tls(), trust_env=False, **options)


def request(method: str, url: str, **options: Any) -> httpx.Response:
    """One request to an address of the sandbox's own, read whole; options are those of httpx.request."""
    return httpx.request(method, url, verify=no_tls(), trust_env=False, **options)
