"""protoc-gen-stackly-sdk: writes the SDK's clients, error classes and blocking twins. A build tool; nothing of it ships."""
