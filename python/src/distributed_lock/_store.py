"""Where the locks live: from what the caller has to the URL that the library takes."""

from __future__ import annotations

import ssl
from typing import Any, Protocol, Union
from urllib.parse import quote

from ._errors import UsageError


class RedisClient(Protocol):
    """What is needed of a redis.Redis or redis.asyncio.Redis: the settings of its connections."""

    @property
    def connection_pool(self) -> Any: ...


# A client whose settings are taken over, a URL, or None: $DLOCK_URL, or else a private server of
# this user on this machine.
Store = Union[RedisClient, str, None]


def url_of(store: Store) -> str:
    """Raises UsageError for a client whose connections the library cannot make."""
    if store is None:
        return ""
    if isinstance(store, str):
        return store
    pool = getattr(store, "connection_pool", None)
    kind = type(store).__name__
    if pool is None:
        what = "a client of a cluster" if "Cluster" in kind else f"a {kind}"
        raise UsageError(f"{what} is not supported yet: pass a redis.Redis, or a URL")
    names = {base.__name__ for cls in (type(pool), pool.connection_class) for base in cls.__mro__}
    settings: dict[str, Any] = pool.connection_kwargs
    if settings.get("credential_provider"):
        raise UsageError("a credential_provider is not supported yet: pass username and password, "
                         "or a URL")
    tls = any("SSL" in name for name in names)
    if any("Sentinel" in name for name in names):
        return _url_of_sentinels(pool, settings, tls)
    return _url_of_settings(settings, tls)


def _url_of_sentinels(pool: Any, settings: dict[str, Any], tls: bool) -> str:
    """Of what Sentinel.master_for() returned."""
    if not pool.is_master:
        raise UsageError("a client of Sentinel's replicas cannot lock: pass that of master_for()")
    asked = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    own: dict[str, Any] = asked[0].connection_kwargs if asked else {}
    if tls or any("SSL" in one.connection_class.__name__ for one in asked):
        raise UsageError("Sentinel with TLS is not supported yet")
    hosts = ",".join(_host_and_port(one.connection_kwargs, 26379) for one in asked)
    words = [f"sentinel_{name}={quote(own[field], safe='')}"
             for name, field in (("user", "username"), ("password", "password")) if own.get(field)]
    return (f"redis+sentinel://{_login(settings)}{hosts}/{quote(pool.service_name, safe='')}"
            f"/{int(settings.get('db') or 0)}" + ("?" + "&".join(words) if words else ""))


def _tls_options_of(settings: dict[str, Any]) -> str:
    for name in ("ssl_ca_path", "ssl_ca_data", "ssl_password"):
        if settings.get(name):
            raise UsageError(f"{name} is not supported: pass files, with a key that has no "
                             "passphrase, or a URL rediss://host?ca=FILE&cert=FILE&key=FILE")
    certificate = settings.get("ssl_certfile")
    options = {"ca": settings.get("ssl_ca_certs"), "cert": certificate,
               "key": certificate and (settings.get("ssl_keyfile") or certificate)}
    words = [f"{name}={quote(value, safe='/')}" for name, value in options.items() if value]
    if settings.get("ssl_cert_reqs") in ("none", ssl.CERT_NONE, None):
        words.append("verify=no")
    return "?" + "&".join(words) if words else ""


def _url_of_settings(settings: dict[str, Any], tls: bool) -> str:
    who = _login(settings)
    db = int(settings.get("db") or 0)
    path = settings.get("path")
    if path:
        return f"redis+unix://{who}{quote(path, safe='/')}?db={db}"
    where = _host_and_port(settings, 6379)
    if tls:
        return f"rediss://{who}{where}/{db}{_tls_options_of(settings)}"
    return f"redis://{who}{where}/{db}"


def _login(settings: dict[str, Any]) -> str:
    user = quote(settings.get("username") or "", safe="")
    password = quote(settings.get("password") or "", safe="")
    return f"{user}:{password}@" if password else f"{user}@" if user else ""


def _host_and_port(settings: dict[str, Any], port: int) -> str:
    host = settings.get("host") or "localhost"
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    return f"{host}:{int(settings.get('port') or port)}"
