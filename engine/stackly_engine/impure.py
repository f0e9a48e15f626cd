"""What a fingerprint cannot see: expressions and resources that act by the clock or by chance, and the real world."""

import re
from collections.abc import Iterable, Iterator, Mapping

from stackly_engine.source import Kind, Node
from stackly_engine.syntax import Block

# Functions that give another value at each call, or at each plan (Terraform's language reference says so of each).
# uuidv5 is none of them.
_FUNCTIONS = "timestamp|plantimestamp|uuid|bcrypt"
_GAP = r"(?:\s|/\*.*?\*/|(?:#|//)[^\n]*\n)*"
_CALL = re.compile(rf"\b({_FUNCTIONS}){_GAP}\(", re.DOTALL)
_COMMENT = re.compile(r"^[^\S\n]*(?:#|//).*$", re.MULTILINE)
# Files that are no part of the source: nobody knows when they change.
_READERS = r"file|fileexists|filebase64|filemd5|filesha1|filesha256|filesha512|filebase64sha256|filebase64sha512"
READERS = rf"(?:{_READERS}|templatefile)"
_OUTSIDE = re.compile(
    rf"""\b({READERS}|fileset){_GAP}\({_GAP}(?:pathexpand{_GAP}\({_GAP})?\\?"([/~][^"]*)""", re.DOTALL
)

# Resources whose plan depends on the clock. Each is planned every time.
_CLOCKS = frozenset({
    "time_rotating",  # hashicorp/time: it goes once its rotation time is over, in refresh
    "tls_self_signed_cert",  # hashicorp/tls: ready_for_renewal by early_renewal_hours, in refresh and plan (its issue 268)
    "tls_locally_signed_cert",  # the same
    "acme_certificate",  # vancluever/acme: min_days_remaining, in the plan
    "vault_pki_secret_backend_cert",  # hashicorp/vault: auto_renew with min_seconds_remaining, in the plan (its PR 386)
    "vault_pki_secret_backend_sign",  # the same
    "vault_token",  # hashicorp/vault: renewed in refresh by renew_min_lease
    "venafi_certificate",  # Venafi/venafi: expiration_window
})  # fmt: skip

# Data sources that compute: the same arguments give the same result, nothing is read.
_PURE = frozenset({
    "aws_iam_policy_document", "aws_arn", "aws_service", "aws_service_principal",  # hashicorp/aws, "meta" data sources
    "google_iam_policy",  # hashicorp/google: renders its arguments
    "cloudinit_config", "template_cloudinit_config", "template_file",  # hashicorp/cloudinit, hashicorp/template: render
    "tls_public_key",  # hashicorp/tls: derived from its argument
    "null_data_source",  # hashicorp/null: gives its inputs back
})  # fmt: skip

# Data sources that tell who and where we are: the fingerprint's part `environment` covers them.
_IDENTITY = frozenset({
    "aws_caller_identity", "aws_region", "aws_partition", "aws_default_tags",  # hashicorp/aws: provider and credentials
    "azurerm_client_config", "azuread_client_config",  # hashicorp/azurerm, hashicorp/azuread
})  # fmt: skip

# Tokens that last minutes: they are read anew in each batch that needs them, never handed over, and no reason to run.
# By type those attributes that are no token and last as long as what the data source is asked with: they are values.
CREDENTIALS: Mapping[str, frozenset[str]] = {
    "aws_eks_cluster_auth": frozenset({"id", "name"}),
    "google_client_config": frozenset({"id", "project", "region", "zone"}),
    "aws_ecr_authorization_token": frozenset({"id", "proxy_endpoint", "registry_id", "user_name"}),
    "google_service_account_access_token": frozenset(
        {"delegates", "id", "lifetime", "scopes", "target_service_account"}
    ),
}

_UNEVALUATED = {
    Kind.MODULE: frozenset({"source", "version"}),
    Kind.VARIABLE: frozenset({"description", "type"}),
    Kind.OUTPUT: frozenset({"description"}),
}


def impurities(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Why code that holds these nodes must always run: `timestamp()`, `time_rotating.week` …, sorted."""
    return tuple(sorted({reason for node in nodes for reason in _impurities(node)}))


def worldly(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Data sources that read the real world: no functions of their arguments or of the identity, no credentials; sorted."""
    covered = _PURE | _IDENTITY | CREDENTIALS.keys()
    return tuple(sorted({".".join(("data", *labels)) for labels in _data(nodes) if labels[0] not in covered}))


def texts(node: Node) -> Iterator[str]:
    """The source of every expression of a node; where code comes from is none, nor what only people read."""
    if node.kind is Kind.LOCAL:
        yield node.block.attributes[node.address.removeprefix("local.")].text
        return
    for block, attribute in node.block.walk():
        if block is not node.block or attribute.name not in _UNEVALUATED.get(node.kind, ()):
            yield attribute.text


def _impurities(node: Node) -> Iterator[str]:
    for text in map(_uncommented, texts(node)):
        for call in _CALL.finditer(text):
            yield f"{call.group(1)}()"
        for call in _OUTSIDE.finditer(text):
            yield f'{call.group(1)}("{call.group(2)}")'
    if node.kind is Kind.RESOURCE and node.block.labels[0] in _CLOCKS:
        yield node.address


def _uncommented(text: str) -> str:
    """Without the lines that are comments; as it is beside what has lines that may begin like one (heredoc, `/*`)."""
    return text if "<<" in text or "/*" in text else _COMMENT.sub("", text)


def _data(nodes: Iterable[Node]) -> Iterator[tuple[str, ...]]:
    for node in nodes:
        for block in _blocks(node):
            if block.type == Kind.DATA:
                yield block.labels


def _blocks(node: Node) -> tuple[Block, ...]:
    return node.block.blocks if node.kind is Kind.CHECK else (node.block,)
