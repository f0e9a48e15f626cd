"""The Temporal front: a worker's certificate opens its own namespace, activity calls only, its own task queues only.

The name in the certificate is `spiffe://{trust domain}/accounts/{a}/temporal/{temporal namespace}/workers/{w}`. The
namespace and the queue a request names are taken out of its message and compared with that name by CEL, so that no list
of namespaces has to be kept here. This needs an Envoy with `cel_config` in RBAC policies.
"""

from typing import Any

from stackly_server.dev.envoy import cel
from stackly_server.dev.envoy.connection import http_listener
from stackly_server.dev.envoy.edge_settings import TemporalFront
from stackly_server.dev.envoy.tls import downstream_tls, worker_prefix

TEMPORAL_CLUSTER = "temporal"
WORKFLOW_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"

OPEN_METHODS = ("GetSystemInfo",)  # no namespace in it; tells versions only
POLL_METHOD = "PollActivityTaskQueue"
NAMESPACE_METHODS = (
    "DescribeNamespace",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "RespondActivityTaskCanceled",
    "RecordActivityTaskHeartbeat",
    "RecordWorkerHeartbeat",
    "ShutdownWorker",
)

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_EXTRACTION = "envoy.filters.http.grpc_field_extraction"
_NAMESPACE = "namespace"
_QUEUE = "task_queue.name"
_NAMESPACE_PART = 6  # of the SPIFFE id split at "/": spiffe:, "", domain, accounts, a, temporal, NAMESPACE, workers, w
_WORKER_PART = 8
_PARTS = 9
_BUFFER_BYTES = 8 * 1024 * 1024


def front_listener(front: TemporalFront) -> dict[str, Any]:
    manager = {
        "stat_prefix": "temporal_front",
        "route_config": {"name": "temporal_front", "virtual_hosts": [_virtual_host()]},
        "http_filters": [
            {"name": "envoy.filters.http.rbac", "typed_config": _no_compression()},
            {"name": _EXTRACTION, "typed_config": _extraction(front)},
            {"name": "envoy.filters.http.rbac", "typed_config": _own_things_only(front)},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.router.v3.Router"}},
        ],
        "forward_client_cert_details": "SANITIZE",
        "access_log": [_denied_log()],
    }
    tls = downstream_tls(front.certificate, trusted=front.trusted_workers, protocols=["h2"])
    return http_listener("temporal_front", front.listen, tls, manager, buffer_bytes=_BUFFER_BYTES)


def _virtual_host() -> dict[str, Any]:
    """Long polls last a minute, so no time-out here; the worker brings its own deadline."""
    route = {"cluster": TEMPORAL_CLUSTER, "timeout": "0s"}
    return {
        "name": "temporal",
        "domains": ["*"],
        "routes": [{"match": {"prefix": f"/{WORKFLOW_SERVICE}/"}, "route": route}],
    }


def _extraction(front: TemporalFront) -> dict[str, Any]:
    fields = {method: [_NAMESPACE] for method in NAMESPACE_METHODS} | {POLL_METHOD: [_NAMESPACE, _QUEUE]}
    return {
        "@type": f"{_HTTP}.grpc_field_extraction.v3.GrpcFieldExtractionConfig",
        "descriptor_set": {"filename": str(front.descriptors)},
        "extractions_by_method": {
            f"{WORKFLOW_SERVICE}.{method}": {"request_field_extractions": {name: {} for name in names}}
            for method, names in fields.items()
        },
    }


def _no_compression() -> dict[str, Any]:
    """A compressed message cannot be looked into."""
    identity = {"name": "grpc-encoding", "string_match": {"exact": "identity"}, "treat_missing_header_as_empty": False}
    absent = {"name": "grpc-encoding", "present_match": False}
    permission = {"or_rules": {"rules": [{"header": identity}, {"header": absent}]}}
    return _rbac({"uncompressed": {"permissions": [permission], "principals": [{"any": True}]}})


def _own_things_only(front: TemporalFront) -> dict[str, Any]:
    return _rbac(
        {
            "open": _policy(front, OPEN_METHODS, cel.equal(cel.size(_id_parts()), cel.number(_PARTS))),
            "own_namespace": _policy(front, NAMESPACE_METHODS, own_namespace()),
            "own_queue": _policy(front, (POLL_METHOD,), cel.both(own_namespace(), own_queue())),
        }
    )


def own_namespace() -> cel.Expr:
    """One namespace in the message, and it is the one in the certificate."""
    parts = _id_parts()
    right_shape = cel.both(
        cel.equal(cel.size(parts), cel.number(_PARTS)), cel.equal(cel.size(_extracted(_NAMESPACE)), cel.number(1))
    )
    return cel.both(right_shape, cel.equal(_first(_NAMESPACE), cel.index(parts, cel.number(_NAMESPACE_PART))))


def own_queue() -> cel.Expr:
    """The queue begins with `{namespace}.`; one that begins with `{namespace}.w.` is a single worker's: this one's."""
    parts = _id_parts()
    namespace, worker = (cel.index(parts, cel.number(part)) for part in (_NAMESPACE_PART, _WORKER_PART))
    one = cel.equal(cel.size(_extracted(_QUEUE)), cel.number(1))
    ours = cel.starts_with(_first(_QUEUE), cel.joined(namespace, cel.text(".")))
    personal = cel.starts_with(_first(_QUEUE), cel.joined(namespace, cel.text(".w.")))
    mine = cel.equal(_first(_QUEUE), cel.joined(namespace, cel.text(".w."), worker))
    return cel.both(cel.both(one, ours), cel.either(cel.negated(personal), mine))


def _id_parts() -> cel.Expr:
    return cel.split(cel.field(cel.name("connection"), "uri_san_peer_certificate"), "/")


def _extracted(name: str) -> cel.Expr:
    found = cel.index(cel.field(cel.name("metadata"), "filter_metadata"), cel.text(_EXTRACTION))
    return cel.index(found, cel.text(name))


def _first(name: str) -> cel.Expr:
    return cel.index(_extracted(name), cel.number(0))


def _policy(front: TemporalFront, methods: tuple[str, ...], condition: cel.Expr) -> dict[str, Any]:
    paths = [{"url_path": {"path": {"exact": f"/{WORKFLOW_SERVICE}/{method}"}}} for method in methods]
    worker = {"authenticated": {"principal_name": {"prefix": worker_prefix(front.trust_domain)}}}
    allowed = {"enable_string_concat": True, "enable_string_functions": True}
    return {"permissions": paths, "principals": [worker], "condition": condition, "cel_config": allowed}


def _rbac(policies: dict[str, Any]) -> dict[str, Any]:
    return {"@type": f"{_HTTP}.rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": policies}}


def _denied_log() -> dict[str, Any]:
    """Who was refused what: the only access log of the front."""
    line = {
        "denied": "%REQ(:PATH)%",
        "worker": "%DOWNSTREAM_PEER_URI_SAN%",
        "from": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "why": "%RESPONSE_CODE_DETAILS%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "filter": {"grpc_status_filter": {"statuses": ["PERMISSION_DENIED"]}},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": line},
        },
    }
