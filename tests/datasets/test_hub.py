"""Uploading to the hub, against a stand-in that speaks the parts of its protocol that an upload needs."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from datasets import hub
from datasets.opening import open_dataset
from datasets.publish import checksums
from opengspr.command import UserError

ROOT = Path(__file__).parent.parent.parent
TOKEN = "hf_SecretSecretSecret"


class StandIn(ThreadingHTTPServer):
    """A hub with one repository. Attributes: files, what was committed; sent, how often each object came; fuse, how
    many objects it takes before it hangs up on one.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Calls)
        self.objects: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.sent: Counter[str] = Counter()
        self.calls: list[str] = []
        self.fuse = 10**9

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Calls(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        self.answer({"name": "me", "type": "user", "orgs": [], "id": "me/it", "sha": "0" * 40, "siblings": []})

    def do_PUT(self) -> None:
        data = self.body()
        oid = hashlib.sha256(data).hexdigest()
        assert self.path == f"/objects/{oid}" and "Authorization" not in self.headers
        if len(self.server.objects) >= self.server.fuse:
            self.answer({"error": "out of order"}, 403)
            return
        self.server.sent[oid] += 1
        self.server.objects[oid] = data
        self.answer({})

    def do_POST(self) -> None:
        data, hub_ = self.body(), self.server
        call = self.path.partition("?")[0]
        hub_.calls.append(call)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "who are you?"}, 401)
        elif call == "/api/repos/create":
            self.answer({"url": f"{hub_.address}/datasets/me/it", "name": "me/it", "id": "0"})
        elif call == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif call == "/api/datasets/me/it/preupload/main":
            kind = [(one["path"], one["size"]) for one in json.loads(data)["files"]]
            modes = [{"path": p, "uploadMode": "lfs" if size > 20_000 or p.endswith((".jpg", ".tar")) else "regular",
                      "shouldIgnore": False} for p, size in kind]  # fmt: skip
            self.answer({"files": modes})
        elif call == "/datasets/me/it.git/info/lfs/objects/batch":
            objects = []
            for one in json.loads(data)["objects"]:
                upload = {"upload": {"href": f"{hub_.address}/objects/{one['oid']}", "header": {}}}
                there = one["oid"] in hub_.objects  # what it has is not asked for
                objects.append({**one, "authenticated": True, **({} if there else {"actions": upload})})
            self.answer({"transfer": "basic", "objects": objects})
        elif call == "/api/datasets/me/it/commit/main":
            for line in map(json.loads, data.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    hub_.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub_.files[value["path"]] = hub_.objects[value["oid"]]
            self.answer(
                {"commitUrl": f"{hub_.address}/datasets/me/it/commit/1", "commitOid": "1" * 40, "success": True}
            )
        else:
            self.answer({"error": f"what is {call}?"}, 404)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def push(server: StandIn, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {
        "HF_ENDPOINT": server.address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-m", "datasets.publish", *args, "--push", "me/it"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | known | environment, capture_output=True, text=True)


@pytest.mark.long
def test_an_upload_that_was_cut_off_is_completed(shared_data: Path, tmp_path: Path, stand_in: StandIn) -> None:
    out = tmp_path / "dist"
    args = (str(shared_data / "little"), "--out", str(out), "--to", "webdataset")
    stand_in.fuse = 2
    first = push(stand_in, *args)
    assert first.returncode == 2 and "the same command goes on" in first.stderr and not stand_in.files
    assert len(first.stderr.strip().splitlines()[-1]) < 400 and "Traceback" not in first.stderr
    stand_in.fuse = 10**9
    second = push(stand_in, *args)
    assert second.returncode == 0, second.stderr
    assert f"pushed: {stand_in.address}/datasets/me/it" in second.stdout
    assert set(stand_in.sent.values()) == {1}, "what was there was sent again"
    there = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert stand_in.files == {name: data for name, data in there.items() if not name.startswith(".")}
    for said in (first.stdout, first.stderr, second.stdout, second.stderr):
        assert TOKEN not in said
    for name, data in stand_in.files.items():
        (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "back" / name).write_bytes(data)
    assert checksums(tmp_path / "back").replace("\n", "").count("  ") == len(stand_in.files)
    back, before = open_dataset(tmp_path / "back").crops, open_dataset(shared_data / "little").crops
    assert sorted(map(back.read, range(len(back)))) == sorted(map(before.read, range(len(before))))


@pytest.mark.long
def test_a_hub_that_refuses_or_is_not_there_is_one_line(shared_data: Path, tmp_path: Path, stand_in: StandIn) -> None:
    args = (str(shared_data / "little"), "--out", str(tmp_path / "dist"))
    refused = push(stand_in, *args, HF_TOKEN="hf_other")
    assert refused.returncode == 2 and "error: --push me/it: " in refused.stderr.splitlines()[-1]
    assert (tmp_path / "dist" / "SHA256SUMS").exists(), "what was published stays"
    gone = push(stand_in, *args, HF_ENDPOINT="http://127.0.0.1:9")
    assert gone.returncode == 2 and "error: --push me/it: " in gone.stderr.splitlines()[-1]
    assert "hf_other" not in refused.stdout + refused.stderr and TOKEN not in gone.stdout + gone.stderr


def test_what_cannot_be_pushed_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--push it: wanted ORG/NAME"):
        hub.check("it")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="nobody is logged in"):
        hub.check("me/it")
