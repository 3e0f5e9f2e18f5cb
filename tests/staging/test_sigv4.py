"""Signatures: the same as botocore's, which every S3 knows."""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from rootcellar.staging.stores.s3 import sigv4
from rootcellar.staging.stores.s3.sigv4 import Credentials, Signer, encoded_query

HOST = "bucket.s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("token", ["", "session//token=="])
@pytest.mark.parametrize(
    ("method", "key", "query", "more"),
    [
        ("GET", "weather/03.dat", {}, {}),
        ("GET", "a b/ä+c~d=e,f(1)*'!@:$&", {}, {"range": "bytes=0-9", "if-match": '"e"'}),
        ("GET", "", {"list-type": "2", "prefix": "a/b c+d", "continuation-token": "1/a=="}, {}),
        ("POST", "x", {"uploads": ""}, {"x-amz-storage-class": "STANDARD_IA"}),
        ("PUT", "x", {"partNumber": "1", "uploadId": "a~b_c.d-e"}, {}),
        ("PUT", "x", {}, {"x-amz-copy-source": "/b/k?versionId=a", "x-amz-acl": "a  b"}),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(monkeypatch, token, method, key, query, more):
    """Path, query, headers and token go into the signature alike."""
    credentials = Credentials("AKIDEXAMPLE", "secret/key", token)
    path = f"/{quote(key, safe='/')}"
    asked = encoded_query(query)
    url = f"https://{HOST}{path}" + (f"?{asked}" if asked else "")
    signed_by_both = {k: v for k, v in more.items() if k.startswith("x-amz-")}
    request = AWSRequest(method, url, headers=signed_by_both)
    known = BotoCredentials("AKIDEXAMPLE", "secret/key", token or None)
    S3SigV4Auth(known, "s3", "eu-central-1").add_auth(request)
    date, content = request.headers["X-Amz-Date"], request.headers["X-Amz-Content-SHA256"]
    moment = dt.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    monkeypatch.setattr(sigv4.time, "gmtime", moment.utctimetuple)

    signer = Signer("eu-central-1", lambda: credentials)
    found = signer.signed(method, path, asked, {"host": HOST, **more}, content=content)

    assert request.headers["Authorization"] == found["authorization"]


def test_what_was_signed_before_is_in_no_signature(monkeypatch):
    """Secrets, tokens, hosts and contents change from one request to the next, and are seen."""
    held = [Credentials("key", "secret")]
    signer = Signer("us-east-1", lambda: held[0])
    first, other = Credentials("key", "secret"), Credentials("key", "other", "token")
    asked = [
        (credentials, {"host": host, **more}, content)
        for credentials in (first, other, Credentials("key", "secret", "token2"), first)
        for host in ("a", "b")
        for more in ({}, {"x-amz-acl": "x"}, {"if-match": '"e"'}, {"x-amz-acl": "y"})
        for content in ("c", "d")
    ]

    monkeypatch.setattr(Signer, "_now", lambda _: "20260101T000000Z")

    def signature(signer, headers, content):
        return signer.signed("GET", "/x", "", headers, content=content)["authorization"]

    found, expected = [], []
    for credentials, headers, content in asked:
        held[0] = credentials
        found.append(signature(signer, headers, content))
        fresh = Signer("us-east-1", lambda credentials=credentials: credentials)
        expected.append(signature(fresh, headers, content))

    assert expected == found


def test_without_credentials_nothing_is_signed():
    """A public bucket is asked as anybody."""
    found = Signer("us-east-1", lambda: None).signed("GET", "/a", "", {"host": HOST}, content="")

    assert {"host": HOST} == found


def test_credentials_are_not_printed():
    """Neither the secret nor the token stands in a repr."""
    assert "secret" not in repr(Credentials("key", "secret", "token"))
