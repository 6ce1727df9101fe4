"""The landing zone in a bucket, on a real server that speaks the protocol of S3: moto's."""

import hashlib
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deploy.local.ports import Ports
from pipelines.defs.failures import FailureClass, classify
from pipelines.store.landing import FolderLanding, Landing, LandingDamaged, open_landing


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
