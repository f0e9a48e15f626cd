"""`python -m stackly_sdk.cli` is `stackly`."""

from stackly_sdk.cli import main

main()
