"""Temporal as a part: starts, is used, keeps its data, tells what is wrong."""

import socket
import sqlite3
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client

from stackly_server.dev.home import open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.temporal import Temporal
from stackly_server.dev.ports import free_ports
from stackly_server.dev.problems import PartFailed


async def test_restart_keeps_namespaces(tmp_path: Path) -> None:
    first = Temporal(open_home(tmp_path / "home"), free_ports())
    bring_up(first)
    client = await Client.connect(first.address)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace="s-kept", workflow_execution_retention_period=Duration(seconds=86_400))
    )
    first.stop()
    second = Temporal(open_home(tmp_path / "home"), free_ports())
    bring_up(second)
    try:
        client = await Client.connect(second.address)
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="s-kept"))
        assert found.namespace_info.name == "s-kept"
    finally:
        second.stop()
    with sqlite3.connect(tmp_path / "home/temporal/temporal.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_taken_port_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    ports = free_ports()
    with socket.create_server(("127.0.0.1", ports.temporal)):
        part = Temporal(open_home(tmp_path / "home"), ports)
        with pytest.raises(PartFailed, match="another process holds its port") as caught:
            bring_up(part)
    assert "last lines of" in str(caught.value)
    assert not part.process.alive()
