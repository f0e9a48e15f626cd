"""`python -m stackly_server.dev.envoy SETTINGS.json`: print the bootstrap for an Envoy of your own."""

import json
import sys
from pathlib import Path
from typing import Any

from stackly_server.dev.envoy.bootstrap import bootstrap
from stackly_server.dev.envoy.edge_settings import Address, EdgeSettings, PublicDoor, TemporalFront


def settings_from_json(text: str) -> EdgeSettings:
    """See `deploy/envoy/settings.json` for the shape; KeyError or TypeError names what is missing or too much."""
    given = json.loads(text)
    public, front = given.pop("public"), given.pop("front")
    return EdgeSettings(
        admin_socket=Path(given.pop("admin_socket")),
        public=PublicDoor(listen=Address(**public.pop("listen")), **_paths(public)),
        front=TemporalFront(
            listen=Address(**front.pop("listen")),
            upstream=Address(**front.pop("upstream")),
            trust_domain=front.pop("trust_domain"),
            **_paths(front),
        ),
        **given,
    )


def _paths(given: dict[str, str]) -> dict[str, Any]:
    return {name: Path(value) for name, value in given.items()}


def main(file: str) -> None:
    settings = settings_from_json(Path(file).read_text(encoding="utf-8"))
    document = bootstrap(settings, settings.public.descriptors.read_bytes())
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
