"""The landing zone in a bucket, on a real server that speaks the protocol of S3: moto's."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.server import ThreadedMotoServer

from deploy.local.ports import Ports
from pipelines.defs.failures import FailureClass, classify
from pipelines.store.landing import FolderLanding, Landing, LandingDamaged, open_landing


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server with the bucket `football`."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(name, value)
        for name in ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        url = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="football")
        yield url
    server.stop()


@pytest.fixture
def landing(endpoint: str) -> Landing:
    return open_landing("s3://football/demo/landing", endpoint)


def test_what_is_put_comes_back_under_its_digest_and_is_kept_once(landing: Landing, endpoint: str) -> None:
    content = bytes(range(256)) * 100
    digest = hashlib.sha256(content).hexdigest()
    client = boto3.client("s3", endpoint_url=endpoint)
    client.put_bucket_versioning(Bucket="football", VersioningConfiguration={"Status": "Enabled"})
    assert [landing.put(content), landing.put(content)] == [digest, digest]
    assert landing.get(digest) == content
    key = f"demo/landing/{digest[:2]}/{digest[2:4]}/{digest}"
    assert [each["Key"] for each in client.list_object_versions(Bucket="football", Prefix=key)["Versions"]] == [key]


def test_damage_is_noticed_and_mended_by_the_next_put(landing: Landing, endpoint: str) -> None:
    digest = landing.put(b"content")
    key = f"demo/landing/{digest[:2]}/{digest[2:4]}/{digest}"
    boto3.client("s3", endpoint_url=endpoint).put_object(Bucket="football", Key=key, Body=b"contemt")
    with pytest.raises(LandingDamaged, match=rf"s3://football/{key} has changed since it was written"):
        landing.get(digest)
    landing.put(b"content")
    assert landing.get(digest) == b"content"


def test_bytes_never_put_are_not_found(landing: Landing) -> None:
    with pytest.raises(FileNotFoundError, match="s3://football/demo/landing/00/00/0000"):
        landing.get("0" * 64)


def test_a_folder_that_was_copied_into_the_bucket_is_the_same_landing_zone(
    landing: Landing, endpoint: str, tmp_path: Path
) -> None:
    digest = FolderLanding(tmp_path).put(b"older content")
    client = boto3.client("s3", endpoint_url=endpoint)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "football", f"demo/landing/{path.relative_to(tmp_path).as_posix()}")
    assert landing.get(digest) == b"older content"


def test_a_server_that_is_away_and_one_that_refuses_are_failures_of_different_classes(endpoint: str, tmp_path: Path) -> None:
    nowhere = open_landing("s3://football/demo", f"http://127.0.0.1:{Ports(tmp_path / 'ports.json').claim('nothing')}")
    with pytest.raises(EndpointConnectionError) as away:
        nowhere.put(b"content")
    assert classify(away.value) is FailureClass.DEPENDENCY_DOWN
    with pytest.raises(ClientError, match="NoSuchBucket") as wrong:
        open_landing("s3://no-such-bucket/demo", endpoint).put(b"content")
    assert classify(wrong.value) is FailureClass.CODE


def test_models_are_kept_in_the_bucket_by_mlflows_own_means(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
    (tmp_path / "model.txt").write_text("tree\n")
    kept = get_artifact_repository("s3://football/demo/artifacts")
    kept.log_artifact(str(tmp_path / "model.txt"), "1/models")
    assert Path(kept.download_artifacts("1/models/model.txt", str(tmp_path))).read_text() == "tree\n"
