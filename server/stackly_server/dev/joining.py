"""Makes a join token with the public SDK and writes the join file of the development worker."""

import os
import sys
from pathlib import Path

from stackly_sdk import Stackly


def main() -> int:
    """Writes the file whole, readable by us alone."""
    key = Path(os.environ["STACKLY_DEV_API_KEY_FILE"]).read_text(encoding="ascii").strip()
    target = Path(os.environ["STACKLY_DEV_JOIN_FILE"])
    with Stackly(api_key=key) as client:
        content = client.workers.create_token(display_name="the worker of make dev", ttl="10m").join_file
    aside = target.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text(content, encoding="ascii")
    aside.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
