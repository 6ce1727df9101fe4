"""The landing zone in a bucket of S3, or of a server that speaks its protocol.

Belongs here: putting and getting one object. A put is there whole or not at all by that protocol; the server compares the MD5
that is sent along. Credentials are found where boto3 looks for them: the variables `AWS_…`, or the machine's role.
"""

import base64
import hashlib
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from pipelines.store.landing import LandingDamaged, place

_BOUNDS: Final = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Newer checksums are unknown to many servers; MD5 is known to all.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class BucketLanding:
    """Objects below `prefix` in `bucket`. One client for all threads, which botocore allows."""

    def __init__(self, bucket: str, prefix: str, endpoint_url: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self._client = boto3.client("s3", endpoint_url=endpoint_url or None, config=_BOUNDS)

    def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            self.get(digest)
        except (FileNotFoundError, LandingDamaged):
            md5 = hashlib.md5(content, usedforsecurity=False).digest()
            self._client.put_object(
                Bucket=self.bucket, Key=self._key(digest), Body=content, ContentMD5=base64.b64encode(md5).decode()
            )
        return digest

    def get(self, sha256: str) -> bytes:
        """The bytes with this digest."""
        key = self._key(sha256)
        try:
            content: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise FileNotFoundError(f"s3://{self.bucket}/{key} is not there") from error
            raise
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LandingDamaged(
                f"s3://{self.bucket}/{key} has changed since it was written: its content no longer matches its name."
            )
        return content

    def _key(self, digest: str) -> str:
        return f"{self.prefix}/{place(digest)}".lstrip("/")
