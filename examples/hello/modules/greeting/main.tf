variable "who" {
  type = string
}

resource "terraform_data" "greeting" {
  input = "Hello, ${var.who}!"
}

output "text" {
  value = terraform_data.greeting.output
}
