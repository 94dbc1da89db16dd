"""Where the locks live: from what the caller has to the URL that the library takes."""

from __future__ import annotations

import ssl
from typing import Any, Protocol, Union
from urllib.parse import quote

from ._errors import UsageError


class RedisClient(Protocol):
    """The needed part of redis.Redis and redis.asyncio.Redis: the settings of its connections."""

    @property
    def connection_pool(self) -> Any: ...


class ClusterClient(Protocol):
    """The same for redis.cluster.RedisCluster and redis.asyncio.cluster.RedisCluster."""

    @property
    def nodes_manager(self) -> Any: ...


class OwnClient(Protocol):
    """The same of Client."""

    def native(self) -> Any: ...


# A client of redis-py, whose settings dlock reads; a Client; a URL; or None: $DLOCK_URL, and without
# that a private server of this user on this machine, unless $DLOCK_REQUIRE_URL is 1.
Store = Union[RedisClient, ClusterClient, OwnClient, str, None]


def url_of(store: Store) -> str:
    """Empty for None. Raises UsageError for a client whose connections the library cannot make."""
    if store is None:
        return ""
    if isinstance(store, str):
        if not store:
            raise UsageError("the URL is empty; is a variable not set? Pass None to use $DLOCK_URL, or "
                             "'local:' for a private server on this machine")
        return store
    cluster = getattr(store, "nodes_manager", None)
    if cluster is not None:
        return _url_of_cluster(cluster)
    pool = getattr(store, "connection_pool", None)
    if pool is None:
        raise UsageError(f"a {type(store).__name__} is not supported: pass a client of redis-py, "
                         "or a URL")
    settings = _settings_of(pool)
    if "Sentinel" in "".join(base.__name__ for base in type(pool).__mro__):
        return _url_of_sentinels(pool, settings)
    return _url_of_one(settings, _tls_options_of(settings, pool.connection_class))


def provider_of(store: Store) -> Any:
    """The credential provider of a client of redis-py, or None."""
    for name in ("nodes_manager", "connection_pool"):
        connections = getattr(store, name, None)
        if connections is not None:
            return _settings_of(connections).get("credential_provider")
    return None


def _settings_of(connections: Any) -> dict[str, Any]:
    settings: dict[str, Any] = connections.connection_kwargs
    return settings


def _url_of_sentinels(pool: Any, settings: dict[str, Any]) -> str:
    """The URL for the pool of a client that Sentinel.master_for() returned."""
    if not pool.is_master:
        raise UsageError("a client of Sentinel's replicas cannot lock: pass that of master_for()")
    asked = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    tls = _tls_options_of(settings, pool.connection_class)
    if any(_tls_options_of(one.connection_kwargs, one.connection_class) != tls for one in asked):
        raise UsageError("the TLS settings of the Sentinels are not those of the servers: pass the "
                         "same to Sentinel() and as its sentinel_kwargs, or none")
    hosts = ",".join(_host_and_port(one.connection_kwargs, 26379) for one in asked)
    own: dict[str, Any] = asked[0].connection_kwargs if asked else {}
    if own.get("credential_provider"):
        raise UsageError("a credential_provider for the Sentinels is not supported: pass their "
                         "username and password in sentinel_kwargs")
    words = [f"sentinel_{name}={quote(own[field], safe='')}"
             for name, field in (("user", "username"), ("password", "password")) if own.get(field)]
    return (f"{_scheme(tls)}+sentinel://{_login(settings)}{hosts}"
            f"/{quote(pool.service_name, safe='')}/{int(settings.get('db') or 0)}"
            + _query(words + (tls or [])))


def _url_of_cluster(manager: Any) -> str:
    """The nodes are those that the client would ask: once it is connected, all that it knows."""
    if getattr(manager, "address_remap", None):
        raise UsageError("address_remap is not supported: the library goes where the cluster says")
    settings = _settings_of(manager)
    tls = _tls_options_of(settings, settings.get("connection_class"))
    hosts = sorted(_host_and_port({"host": node.host, "port": node.port}, 6379)
                   for node in manager.startup_nodes.values())
    return f"{_scheme(tls)}+cluster://{_login(settings)}{','.join(hosts)}" + _query(tls or [])


def _scheme(tls: list[str] | None) -> str:
    return "redis" if tls is None else "rediss"


def _query(words: list[str]) -> str:
    return "?" + "&".join(words) if words else ""


def _tls_options_of(settings: dict[str, Any], connection_class: Any) -> list[str] | None:
    """None without TLS."""
    names = "".join(base.__name__ for base in getattr(connection_class, "__mro__", ()))
    if "SSL" not in names and not settings.get("ssl"):
        return None
    for name in ("ssl_ca_path", "ssl_ca_data", "ssl_password"):
        if settings.get(name):
            raise UsageError(f"{name} is not supported: pass files, with a key that has no "
                             "passphrase, or a URL rediss://host?ca=FILE&cert=FILE&key=FILE")
    certificate = settings.get("ssl_certfile")
    options = {"ca": settings.get("ssl_ca_certs"), "cert": certificate,
               "key": certificate and (settings.get("ssl_keyfile") or certificate)}
    words = [f"{name}={quote(value, safe='/')}" for name, value in options.items() if value]
    if settings.get("ssl_cert_reqs", "required") in ("none", ssl.CERT_NONE, None):
        words.append("verify=no")
    return words


def _url_of_one(settings: dict[str, Any], tls: list[str] | None) -> str:
    who = _login(settings)
    db = int(settings.get("db") or 0)
    path = settings.get("path")
    if path:
        return f"redis+unix://{who}{quote(path, safe='/')}?db={db}"
    return f"{_scheme(tls)}://{who}{_host_and_port(settings, 6379)}/{db}" + _query(tls or [])


def _login(settings: dict[str, Any]) -> str:
    user = quote(settings.get("username") or "", safe="")
    password = quote(settings.get("password") or "", safe="")
    return f"{user}:{password}@" if password else f"{user}@" if user else ""


def _host_and_port(settings: dict[str, Any], port: int) -> str:
    host = settings.get("host") or "localhost"
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    return f"{host}:{int(settings.get('port') or port)}"
