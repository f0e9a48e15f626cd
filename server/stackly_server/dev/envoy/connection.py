"""Listeners and clusters: the parts of the bootstrap that both doors share."""

import ipaddress
from pathlib import Path
from typing import Any

from stackly_server.dev.envoy.edge_settings import Address

_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_PROTOCOL_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_STREAMS_PER_CONNECTION = 1024
_REQUESTS_UPSTREAM = 16384


def http_listener(
    name: str, listen: Address, tls: dict[str, Any], manager: dict[str, Any], *, buffer_bytes: int
) -> dict[str, Any]:
    """A listener of one filter chain; `buffer_bytes` bounds what Envoy holds of one connection each way."""
    typed = {
        "@type": _MANAGER,
        "codec_type": "AUTO",
        "stream_idle_timeout": "300s",
        "request_headers_timeout": "10s",
        "http2_protocol_options": {
            "max_concurrent_streams": _STREAMS_PER_CONNECTION,
            "initial_stream_window_size": 1024 * 1024,
            "initial_connection_window_size": 4 * 1024 * 1024,
        },
        "server_header_transformation": "PASS_THROUGH",
        **manager,
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed}
    return {
        "name": name,
        "address": _socket_address(listen),
        "per_connection_buffer_limit_bytes": buffer_bytes,
        "filter_chains": [{"filters": [network], "transport_socket": tls}],
    }


def socket_cluster(name: str, socket: Path) -> dict[str, Any]:
    """An HTTP/2 upstream behind a unix socket."""
    return _cluster(name, {"pipe": {"path": str(socket)}}, "STATIC")


def tcp_cluster(name: str, upstream: Address) -> dict[str, Any]:
    """An HTTP/2 upstream at an IP address, or at a host name that is looked up again as its record expires."""
    return _cluster(name, _socket_address(upstream), "STATIC" if _is_ip(upstream.host) else "STRICT_DNS")


def _cluster(name: str, address: dict[str, Any], kind: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address}}
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
    return {
        "name": name,
        "type": kind,
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _PROTOCOL_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": keepalive},
            }
        },
        # the defaults (1024) would refuse idle log tails and polls long before the API does
        "circuit_breakers": {
            "thresholds": [{"max_requests": _REQUESTS_UPSTREAM, "max_pending_requests": _REQUESTS_UPSTREAM}]
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _socket_address(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
