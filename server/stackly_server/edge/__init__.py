"""The door: who calls, what the method's rule says, what the fields may hold, and how errors leave the server."""
