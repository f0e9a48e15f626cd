variable "environment" {
  type = string
}

variable "region" {
  type = string
}

variable "services" {
  type = list(string)
}

module "network" {
  source = "./modules/network"
  region = var.region
}

module "service" {
  source   = "./modules/service"
  for_each = toset(var.services)

  name    = "${var.environment}-${each.key}"
  network = module.network.id
}

output "network" {
  value = module.network.id
}

output "services" {
  value = { for name, service in module.service : name => service.address }
}
