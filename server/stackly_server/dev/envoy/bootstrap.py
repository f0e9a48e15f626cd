"""The whole bootstrap of one Envoy: two doors, two upstreams, an admin socket."""

from typing import Any

from stackly_server.dev.envoy.connection import socket_cluster, tcp_cluster
from stackly_server.dev.envoy.edge_settings import EdgeSettings
from stackly_server.dev.envoy.front import TEMPORAL_CLUSTER, front_listener
from stackly_server.dev.envoy.methods import public_methods
from stackly_server.dev.envoy.public import API_CLUSTER, public_listener

_CONNECTIONS = 5000


def bootstrap(settings: EdgeSettings, descriptor_set: bytes) -> dict[str, Any]:
    """The document for `envoy -c`; `descriptor_set` are the bytes of the file that `settings.public` names."""
    return {
        "node": {"id": settings.node, "cluster": settings.node},  # SDS by file wants both
        "admin": {"address": {"pipe": {"path": str(settings.admin_socket), "mode": 0o600}}},
        "static_resources": {
            "listeners": [
                public_listener(settings.public, public_methods(descriptor_set)),
                front_listener(settings.front),
            ],
            "clusters": [
                socket_cluster(API_CLUSTER, settings.public.upstream_socket),
                tcp_cluster(TEMPORAL_CLUSTER, settings.front.upstream),
            ],
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def _connection_limit() -> dict[str, Any]:
    config = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"type.googleapis.com/{config}",
            "max_active_downstream_connections": str(_CONNECTIONS),
        },
    }
