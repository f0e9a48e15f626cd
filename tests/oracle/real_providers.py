"""Roots of real providers, each through some edits. Their values are of chance: what is held is told in the test."""

from collections.abc import Mapping

from oracle.cases import Files, Step, root
from oracle.directed.written import call, edited, merged, output

_RANDOM = root(
    call("names", "names", length="2", keeper='"1"')
    + call("other", "names", length="module.names.length", keeper="module.names.pet")
    + call("secret", "secret", keeper="module.names.id")
    + 'resource "random_shuffle" "s" {\n  input = [module.names.pet, module.other.pet]\n}\n'
    + 'resource "terraform_data" "p" {\n  input = module.secret.password\n}\n'
    + output("password", "module.secret.password", "sensitive = true")
    + output("many", "values(module.names.many)[*].hex"),
    names='variable "length" {}\nvariable "keeper" {}\n'
    'resource "random_pet" "p" {\n  length  = var.length\n  keepers = { k = var.keeper }\n}\n'
    'resource "random_id" "i" {\n  byte_length = 4\n  keepers     = { k = random_pet.p.id }\n'
    "  lifecycle { create_before_destroy = true }\n}\n"
    'resource "random_integer" "n" {\n  min = 1\n  max = 50000\n}\n'
    'resource "random_id" "many" {\n  for_each    = toset(["a", "b c"])\n  byte_length = 2\n}\n'
    + output("pet", "random_pet.p.id") + output("id", "random_id.i.dec") + output("many", "random_id.many")
    + output("length", "random_integer.n.result > 0 ? 2 : 3"),
    secret='variable "keeper" {}\nresource "random_password" "p" {\n  length  = 20\n  keepers = { k = var.keeper }\n}\n'
    + output("password", "random_password.p.result", "sensitive = true"),
)  # fmt: skip
_NULL = root(
    call("a", "null", trigger='"1"') + call("b", "null", trigger="module.a.id")
    + 'resource "null_resource" "r" {\n  count    = 2\n  triggers = { b = module.b.id, n = count.index }\n'
    '  provisioner "local-exec" {\n    command = "test -n \\"$ID\\""\n    environment = { ID = self.id }\n  }\n}\n'
    'data "null_data_source" "d" {\n  inputs = { a = module.a.id }\n}\n'
    + call("c", "null", trigger="data.null_data_source.d.outputs.a"),
    null='variable "trigger" {}\nresource "null_resource" "n" {\n  triggers = { t = var.trigger }\n}\n'
    + output("id", "null_resource.n.id"),
)  # fmt: skip
_LOCAL = merged(
    root(
        call("a", "file", path='"${path.root}/made/deep/a.txt"', content='"1"')
        + call("b", "file", path='"${path.root}/made/b.txt"', content="module.a.hash")
        + call("c", "file", path='"c.txt"', content='"c"')
        + call("d", "file", path='"${path.root}/made/d.txt"', content="module.c.content")
        + 'data "local_file" "f" {\n  filename   = "${path.root}/given.txt"\n}\n'
        'data "local_file" "made" {\n  filename   = "${path.root}/made/b.txt"\n  depends_on = [module.b]\n}\n'
        'resource "local_sensitive_file" "s" {\n  filename = "${path.root}/secret/s.txt"\n  content  = data.local_file.f.content\n}\n'
        + output("made", "data.local_file.made.content"),
        file='variable "path" {}\nvariable "content" {}\nresource "local_file" "f" {\n  filename = var.path\n  content  = var.content\n}\n'
        + output("hash", "local_file.f.content_sha256") + output("content", "local_file.f.content"),
    ),
    {"given.txt": "given"},
)  # fmt: skip
_WITHOUT_C = str(_LOCAL["main.tf"]).replace(call("c", "file", path='"c.txt"', content='"c"'), "").replace(
    "module.c.content", "null"
)  # fmt: skip
_TIME = root(
    call("static", "static", trigger='"1"')
    + 'resource "time_sleep" "s" {\n  create_duration = "10ms"\n  triggers        = { t = module.static.at }\n}\n'
    'resource "time_offset" "o" {\n  base_rfc3339 = module.static.at\n  offset_days  = 3\n}\n'
    + call("later", "static", trigger="time_offset.o.rfc3339"),
    static='variable "trigger" {}\nresource "time_static" "t" {\n  triggers = { t = var.trigger }\n}\n'
    + output("at", "time_static.t.rfc3339"),
)  # fmt: skip
_ROTATING = {**_TIME, "rotating.tf": 'resource "time_rotating" "r" {\n  rotation_days = 30\n}\n'}
_TLS = root(
    call("ca", "key", name='"ca"') + call("leaf", "key", name='"leaf"')
    + 'data "tls_public_key" "k" {\n  private_key_pem = module.ca.pem\n}\n'
    'resource "terraform_data" "p" {\n  input = data.tls_public_key.k.public_key_openssh\n}\n'
    'resource "tls_cert_request" "q" {\n  private_key_pem = module.leaf.pem\n  subject { common_name = "leaf" }\n}\n'
    'resource "tls_locally_signed_cert" "c" {\n  cert_request_pem      = tls_cert_request.q.cert_request_pem\n'
    "  ca_private_key_pem    = module.ca.pem\n  ca_cert_pem           = module.ca.cert\n  validity_period_hours = 24\n"
    '  allowed_uses          = ["server_auth"]\n}\n',
    key='variable "name" {}\nresource "tls_private_key" "k" {\n  algorithm = "ED25519"\n}\n'
    'resource "tls_self_signed_cert" "c" {\n  private_key_pem       = tls_private_key.k.private_key_pem\n'
    "  is_ca_certificate     = true\n  validity_period_hours = 24\n"
    '  allowed_uses          = ["cert_signing"]\n  subject { common_name = var.name }\n}\n'
    + output("pem", "tls_private_key.k.private_key_pem", "sensitive = true")
    + output("cert", "tls_self_signed_cert.c.cert_pem"),
)  # fmt: skip


def _steps(*files: Files, restless: bool = False) -> tuple[Step, ...]:
    return tuple(Step(one, restless=restless) for one in files)


# Provider → the roots that use it.
ROOTS: Mapping[str, tuple[Step, ...]] = {
    "random": _steps(_RANDOM, edited(_RANDOM, 'keeper = "1"', 'keeper = "2"'), edited(_RANDOM, '["a", "b c"]', '["a"]', "names/main.tf")),
    "null": _steps(_NULL, edited(_NULL, 'trigger = "1"', 'trigger = "2"'), edited(_NULL, "count    = 2", "count    = 1")),
    # what was written is an input of who reads files by a path: their units look once more
    "local": _steps(_LOCAL, edited(_LOCAL, 'content = "1"', 'content = "2"'), {**_LOCAL, "given.txt": "again"},
                    {**_LOCAL, "main.tf": _WITHOUT_C.replace("content = null", 'content = "d"')}, restless=True),
    "time": (*_steps(_TIME, edited(_TIME, 'trigger = "1"', 'trigger = "2"')), *_steps(_ROTATING, restless=True)),
    "tls": _steps(_TLS, edited(_TLS, 'name = "ca"', 'name = "root"'), restless=True),
}  # fmt: skip
