"""Secrets as Envoy reads them (SDS files), and the TLS side of listeners."""

from pathlib import Path
from typing import Any

CERTIFICATE = "server-certificate"
TRUSTED_WORKERS = "trusted-workers"

_SDS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def certificate_secret(chain_pem: str, key_pem: str) -> dict[str, Any]:
    """An SDS document with chain and key in one file, so that one rename swaps both."""
    certificate = {"certificate_chain": {"inline_string": chain_pem}, "private_key": {"inline_string": key_pem}}
    return _resources({"name": CERTIFICATE, "tls_certificate": certificate})


def trusted_workers_secret(ca_pem: str, crl_pem: str, trust_domain: str) -> dict[str, Any]:
    """An SDS document: who signed, what was revoked, and that the name is a worker's SPIFFE id of this domain."""
    context = {
        "trusted_ca": {"inline_string": ca_pem},
        "crl": {"inline_string": crl_pem},
        "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": worker_prefix(trust_domain)}}],
    }
    return _resources({"name": TRUSTED_WORKERS, "validation_context": context})


def worker_prefix(trust_domain: str) -> str:
    return f"spiffe://{trust_domain}/accounts/"


def downstream_tls(certificate: Path, *, trusted: Path | None = None, protocols: list[str]) -> dict[str, Any]:
    """The transport socket of a filter chain; with `trusted` a client certificate is demanded."""
    common: dict[str, Any] = {
        "alpn_protocols": protocols,
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_from_file(CERTIFICATE, certificate)],
    }
    if trusted:
        common["validation_context_sds_secret_config"] = _from_file(TRUSTED_WORKERS, trusted)
    context: dict[str, Any] = {"@type": _CONTEXT, "common_tls_context": common}
    if trusted:
        # a session ticket would let a client in again without a look at the revocation list
        context |= {"require_client_certificate": True, "disable_stateless_session_resumption": True}
        context |= {"disable_stateful_session_resumption": True}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _from_file(name: str, path: Path) -> dict[str, Any]:
    # Envoy looks at a rename into the watched folder only, never at a file written in place
    source = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def _resources(secret: dict[str, Any]) -> dict[str, Any]:
    return {"resources": [{"@type": _SDS_TYPE, **secret}]}
