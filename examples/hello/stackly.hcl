# A stack is a Terraform root module with this file beside it.
stack "hello" {
  version = "1.0.0"

  variables {
    who = "world"
  }

  # One deployed instance: the stack state `hello-dev`.
  state "dev" {
    labels = { tier = "3" }
  }
}
