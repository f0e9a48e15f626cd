variable "who" {
  type        = string
  description = "Whom to greet."
}

module "greeting" {
  source = "./modules/greeting"
  who    = var.who
}

# terraform_data is built into Terraform: this example needs no provider and no cloud.
resource "terraform_data" "door" {
  input = "A door that says: ${module.greeting.text}"
}

output "text" {
  value = module.greeting.text
}

output "door" {
  value = terraform_data.door.output
}
