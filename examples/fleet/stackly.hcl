# One code, two deployed instances: `fleet-eu` and `fleet-us`.
stack "fleet" {
  version = "1.0.0"
  labels  = { team = "platform" }

  variables {
    environment = "dev"
    services    = ["web", "worker"]
  }

  terraform {
    version = ">= 1.5"
  }

  state "eu" {
    variables {
      region = "eu-west-1"
    }
  }
  state "us" {
    variables {
      region = "us-east-1"
    }
  }
}
