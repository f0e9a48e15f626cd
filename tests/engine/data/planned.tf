# The root of the golden plan files; `terraform plan -out=plan-<version>.tfplan` beside a copy of this file makes one.
resource "terraform_data" "x" { input = "in" }
variable "odd" {
  type    = list(object({ a = string, b = tuple([number, any]) }))
  default = null
}
output "id" { value = terraform_data.x.id }
output "prefixed" { value = "é ${terraform_data.x.id}" }
output "anything" { value = jsondecode(terraform_data.x.id) }
output "typed" { value = tolist([var.odd])[tonumber(jsondecode(terraform_data.x.id))] }
output "null_list" { value = [var.odd, null] }
output "set" { value = toset([terraform_data.x.id, "k"]) }
output "numbers" { value = [1, -3, 200, 70000, 5000000000, 0.5, 0.1, 1e300, 18446744073709551617, 1e-7] }
output "texts" { value = ["", "ü${"\u2028"}", join("", [for n in range(300) : "x"])] }
output "object" {
  value     = { "a b" = sensitive("s"), l = [1, sensitive(terraform_data.x.id)], m = tomap({ k = sensitive(null) }) }
  sensitive = true
}
output "both" {
  value     = [sensitive({ a = sensitive(true) })]
  sensitive = true
}
output "all" {
  value     = sensitive("s")
  sensitive = true
}
output "empty" { value = { l = tolist([]), s = toset([]), m = tomap({}), t = [], o = {} } }
