variable "name" {
  type = string
}

variable "network" {
  type = string
}

resource "terraform_data" "service" {
  input = "${var.name}.${var.network}.internal"
}

output "address" {
  value = terraform_data.service.output
}
