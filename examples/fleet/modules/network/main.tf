variable "region" {
  type = string
}

resource "terraform_data" "network" {
  input = "net-${var.region}"
}

output "id" {
  value = terraform_data.network.output
}
