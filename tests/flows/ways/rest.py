"""The main job by REST through Envoy: JSON, and NDJSON for the log."""

import json
import ssl
from typing import Any, Self

import httpx

from flows.platform import Platform
from flows.ways.way import ENOUGH, from_json
from waiting import eventually


class Rest:
    """An HTTP client that trusts the platform's CA."""

    def __init__(self, platform: Platform) -> None:
        self._key = platform.api_key
        trust = ssl.create_default_context(cafile=str(platform.ca))
        self._http = httpx.AsyncClient(base_url=platform.url, verify=trust, trust_env=False, timeout=ENOUGH)

    async def __aenter__(self) -> Self:
        self._http.headers["authorization"] = f"Bearer {await self.token()}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def token(self) -> str:
        """An access token for the owner's key."""
        return str((await self._post("auth:exchangeToken", apiKey=self._key))["tokens"]["accessToken"])

    async def desired_commit(self, stack: str) -> str:
        answer = await self._http.get(f"/v1/{stack}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            assert answer.json()["details"][0]["reason"] == "NOT_FOUND", answer.text
            return ""
        return str(_good(answer)["stackState"]["desiredCommit"])

    async def runs_of(self, stack: str, commit: str) -> list[str]:
        found = await self._get(f"{stack}/runs", toCommit=commit)
        return [run["name"] for run in found.get("runs", [])]

    async def planned(self, run: str) -> str:
        return str((await self._waited(run, "WAIT_UNTIL_PLANNED"))["planDigest"])

    async def approve(self, run: str, digest: str) -> None:
        await self._post(f"{run}:approve", planDigest=digest, comment="by REST")

    async def graph(self, run: str, **query: str) -> Any:
        """The answer of GetExecutionGraph."""
        return await self._get(f"{run}/graph", **query)

    async def log(self, run: str) -> str:
        text = ""
        async with self._http.stream("GET", f"/v1/{run}/logs:tail") as answer:
            assert answer.status_code == httpx.codes.OK
            records = [json.loads(line) async for line in answer.aiter_lines() if line]
        for record in records:
            text += record.get("chunk", {}).get("text", "")
        assert "end" in records[-1]
        assert records[-1]["end"].get("status", {}).get("code", 0) == 0
        return text

    async def applied(self, run: str) -> None:
        assert (await self._waited(run, "WAIT_UNTIL_DONE"))["status"] == "RUN_STATUS_APPLIED"

    async def outputs(self, stack: str) -> dict[str, Any]:
        found = await self._get(f"{stack}/outputs")
        return {output["name"]: json.loads(output["json"]) for output in found["outputs"]}

    async def read(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._get(run))["run"]
        return from_json(found)

    async def _waited(self, run: str, until: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any] | None:
            found = await self._get(f"{run}:wait", until=until, timeout="50s")
            reached: dict[str, Any] | None = found["run"] if found.get("reached") else None
            return reached

        return await eventually(ask, ENOUGH)

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        return _good(await self._http.get(f"/v1/{path}", params=query))

    async def _post(self, path: str, **body: str) -> dict[str, Any]:
        return _good(await self._http.post(f"/v1/{path}", json=body))


def _good(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found
