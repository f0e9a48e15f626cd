"""Configurations straight from text, without Terraform."""

import json
from collections.abc import Mapping

from stackly_engine.configuration import Configuration, configure


def written(files: Mapping[str, str], **calls: str) -> Configuration:
    """The configuration of files by path; `calls` maps the keys of modules.json (`a__b` for "a.b") to folders."""
    folders: dict[str, dict[str, bytes]] = {".": {}}
    for path, text in files.items():
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder or ".", {})[name] = text.encode()
    entries = [{"Key": key.replace("__", "."), "Source": f"./{folder}", "Dir": folder} for key, folder in calls.items()]
    return configure(folders, json.dumps({"Modules": [{"Key": "", "Source": "", "Dir": "."}, *entries]}).encode())
