"""OpenBao's configuration as pure data: storage, seal, and what it does to itself at its first start.

`initialize` makes mounts, keys, roles and policies, and revokes the root token it worked with: none is left to steal.
Its answers cannot be read, so AppRole ids are not asked for but set: made by us, read by OpenBao from 0600 files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

ACCOUNTS_KEY = (
    "stackly-accounts"  # wraps data keys; derived, so a wrapped key opens under its own account's context only
)
TOKENS_KEY = "stackly-tokens"  # signs ES256 tokens
WORKER_ROLE = "worker"
SERVER_ROLE = "server"
APPROLES = ("api", "orchestrate", "envoy")

_Request: TypeAlias = tuple[str, dict[str, Any]]  # path, data
_TEN_YEARS = "87600h"
_SELF = {
    f"auth/token/{verb}-self": ["update" if verb != "lookup" else "read"] for verb in ("lookup", "renew", "revoke")
}
_DATA_KEYS = {
    f"transit/{verb}/{ACCOUNTS_KEY}": ["update"]
    for verb in ("encrypt", "decrypt", "rewrap", "datakey/plaintext", "datakey/wrapped")
}

POLICIES: Mapping[str, Mapping[str, list[str]]] = {
    "api": {
        **_SELF,
        **_DATA_KEYS,
        f"transit/sign/{TOKENS_KEY}": ["update"],
        f"transit/sign/{TOKENS_KEY}/sha2-256": ["update"],
        f"transit/keys/{TOKENS_KEY}": ["read"],  # public keys, for the JWKS
        f"pki/sign/{WORKER_ROLE}": ["update"],
        f"pki/sign/{SERVER_ROLE}": ["update"],  # the certificate of its own worker listener
        "pki/revoke": ["update"],  # a ban
    },
    "orchestrate": {**_SELF, **_DATA_KEYS},
    "envoy": {**_SELF, f"pki/sign/{SERVER_ROLE}": ["update"], "pki/crl/rotate": ["read"]},
}


def openbao_config(
    *,
    port: int,
    storage_url: str,
    seal_key: Path,
    trust_domain: str,
    role_ids: Mapping[str, str],
    secret_ids: Mapping[str, Path],
) -> dict[str, Any]:
    """The configuration document. `seal_key` and `secret_ids` name 0600 files; the values are not in the document."""
    requests = [*_mounts(), *_transit(), *_pki(trust_domain)]
    for name in APPROLES:
        requests += _approle(name, role_ids[name], secret_ids[name])
    return {
        "storage": {"postgresql": {"connection_url": storage_url}},
        "listener": [{"tcp": {"address": f"127.0.0.1:{port}", "tls_disable": True}}],
        "api_addr": f"http://127.0.0.1:{port}",
        "disable_clustering": True,
        "seal": [{"static": {"current_key_id": "stackly-1", "current_key": f"file://{seal_key}"}}],
        "initialize": [{"stackly": {"request": [{_slug(path): request} for path, request in _named(requests)]}}],
    }


def policy_text(name: str) -> str:
    return "\n".join(
        f'path "{path}" {{ capabilities = [{", ".join(f"{chr(34)}{verb}{chr(34)}" for verb in verbs)}] }}'
        for path, verbs in POLICIES[name].items()
    )


def _mounts() -> list[_Request]:
    return [
        ("sys/mounts/transit", {"type": "transit"}),
        ("sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": _TEN_YEARS}}),
        ("sys/auth/approle", {"type": "approle"}),
    ]


def _transit() -> list[_Request]:
    return [
        (f"transit/keys/{ACCOUNTS_KEY}", {"type": "aes256-gcm96", "derived": True}),
        (f"transit/keys/{TOKENS_KEY}", {"type": "ecdsa-p256"}),
    ]


def _pki(trust_domain: str) -> list[_Request]:
    key = {"key_type": "ec", "key_bits": 256}
    # names come from the caller who checked them, never from the CSR, which gives its public key only
    leaf = {
        **key,
        "require_cn": False,
        "use_csr_common_name": False,
        "use_csr_sans": False,
        "not_before_duration": "60s",
    }
    worker = {
        "allowed_uri_sans": [f"spiffe://{trust_domain}/*"],
        "allow_ip_sans": False,
        "allow_localhost": False,
        "server_flag": False,
        "client_flag": True,
        "ttl": "1h",
        "max_ttl": "1h",
    }
    server = {
        "allowed_domains": ["localhost"],
        "allow_bare_domains": True,
        "allow_ip_sans": True,
        "server_flag": True,
        "client_flag": False,
        "ttl": "24h",
        "max_ttl": "72h",
    }
    return [
        ("pki/root/generate/internal", {**key, "common_name": f"Stackly CA of {trust_domain}", "ttl": _TEN_YEARS}),
        (
            "pki/config/crl",
            {"expiry": "168h", "auto_rebuild": False},
        ),  # a ban is in the list at once; renewed daily by us
        (f"pki/roles/{WORKER_ROLE}", {**leaf, **worker}),
        (f"pki/roles/{SERVER_ROLE}", {**leaf, **server}),
    ]


def _approle(name: str, role_id: str, secret_id: Path) -> list[_Request]:
    role = f"auth/approle/role/stackly-{name}"
    settings = {"token_policies": [f"stackly-{name}"], "token_no_default_policy": True, "token_period": "1h"}
    from_file = {"eval_source": "file", "eval_type": "string", "path": str(secret_id)}
    return [
        (f"sys/policies/acl/stackly-{name}", {"policy": policy_text(name)}),
        (role, settings),
        (f"{role}/role-id", {"role_id": role_id}),
        (f"{role}/custom-secret-id", {"secret_id": from_file}),
    ]


def _named(requests: list[_Request]) -> list[_Request]:
    return [(path, {"operation": "update", "path": path, "data": data}) for path, data in requests]


def _slug(path: str) -> str:
    return path.replace("/", "-")
