from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from benchmarks.place import stored_files
from benchmarks.server import BUCKET, ObjectServer

MIB = 1024 * 1024
NO_CONDITION = {"Bucket": BUCKET, "Key": "weather/03.dat"}


def code_of(call, **arguments):
    """The error's code that a call ends with."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]["Code"]


def body_of(s3, key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def put(s3, content, **arguments):
    return s3.put_object(**NO_CONDITION, Body=content, **arguments)["ETag"]


def send_parts(s3, key, parts):
    """Send parts, the last one first, and return the upload's id and the list of parts."""
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    listed = []
    for number, part in reversed(list(enumerate(parts, 1))):
        sent = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number * 2, Body=part
        )
        listed.insert(0, {"PartNumber": number * 2, "ETag": sent["ETag"]})
    return upload, {"Parts": listed}


def test_an_object_comes_back_as_it_was_sent(s3, server):
    """Bytes, size and etag of a PUT are those of HEAD and GET, and lie in a file."""
    content = os.urandom(3 * MIB + 7)

    etag = put(s3, content)
    head = s3.head_object(**NO_CONDITION)

    assert (len(content), etag) == (head["ContentLength"], head["ETag"])
    assert content == body_of(s3, "weather/03.dat")
    assert content == (server.objects / "weather" / "03.dat").read_bytes()


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("0-0", 0, 1), ("100-1999", 100, 2000), ("-10", -10, None)]
)
def test_ranges(s3, asked, start, end):
    """A range gives these bytes and no others."""
    content = os.urandom(5000)
    put(s3, content)

    assert content[start:end] == body_of(s3, "weather/03.dat", Range=f"bytes={asked}")


def test_a_read_is_held_to_its_etag(s3):
    """A range of a replaced object is refused, also if both have one size and one second."""
    first = put(s3, b"old")
    second = put(s3, b"new")

    assert first != second
    assert "PreconditionFailed" == code_of(s3.get_object, **NO_CONDITION, IfMatch=first)
    assert b"new" == body_of(s3, "weather/03.dat", IfMatch=second)


def test_a_write_is_held_to_its_condition(s3):
    """Nothing is replaced unless it is what the writer thinks, or is not there."""
    etag = put(s3, b"one", IfNoneMatch="*")

    assert "PreconditionFailed" == code_of(put, s3=s3, content=b"two", IfNoneMatch="*")
    assert "PreconditionFailed" == code_of(put, s3=s3, content=b"two", IfMatch='"other"')
    assert etag != put(s3, b"three", IfMatch=etag)
    assert b"three" == body_of(s3, "weather/03.dat")


def test_one_of_many_creates(s3):
    """Of many that create one key at once exactly one succeeds."""

    def create(number):
        try:
            put(s3, str(number).encode() * 1000, IfNoneMatch="*")
        except ClientError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        created = sum(pool.map(create, range(40)))

    assert 1 == created


def test_what_is_missing(s3):
    """Missing objects and buckets are told apart; deleting what is not there is no error."""
    assert "NoSuchKey" == code_of(s3.get_object, **NO_CONDITION)
    assert "404" == code_of(s3.head_object, **NO_CONDITION)
    assert "NoSuchBucket" == code_of(s3.get_object, Bucket="other", Key="x")
    assert 204 == s3.delete_object(**NO_CONDITION)["ResponseMetadata"]["HTTPStatusCode"]


def test_multipart(s3, server):
    """Parts in any order and numbering become one object, unseen before."""
    parts = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(100)]
    upload, listed = send_parts(s3, "big", parts)
    assert "NoSuchKey" == code_of(s3.get_object, Bucket=BUCKET, Key="big")

    done = s3.complete_multipart_upload(
        Bucket=BUCKET, Key="big", UploadId=upload, MultipartUpload=listed
    )
    pieces = stored_files(server.root, BUCKET, "big")

    assert parts == [piece.read_bytes() for piece in pieces]
    assert sum(map(len, parts)) == s3.head_object(Bucket=BUCKET, Key="big")["ContentLength"]
    across = body_of(s3, "big", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}", IfMatch=done["ETag"])
    assert parts[0][-3:] + parts[1][:3] == across
    assert b"".join(parts) == body_of(s3, "big", IfMatch=done["ETag"])


def test_a_wrong_part_is_refused(s3):
    """An upload is not completed with a part that was not sent; it can be completed after."""
    upload, listed = send_parts(s3, "big", [b"x"])
    named = {"Bucket": BUCKET, "Key": "big", "UploadId": upload}
    wrong = {"Parts": [{**listed["Parts"][0], "ETag": '"other"'}]}

    refused = code_of(s3.complete_multipart_upload, **named, MultipartUpload=wrong)

    assert "InvalidPart" == refused
    assert s3.complete_multipart_upload(**named, MultipartUpload=listed)["ETag"]


def test_an_aborted_upload_is_gone(s3, server):
    """An abort frees the parts, and no late part brings them back."""
    upload, _ = send_parts(s3, "big", [b"x"])
    named = {"Bucket": BUCKET, "Key": "big", "UploadId": upload}

    s3.abort_multipart_upload(**named)

    assert "NoSuchUpload" == code_of(s3.upload_part, **named, PartNumber=1, Body=b"y")
    assert [] == list((server.root / "uploads").iterdir())


def test_a_copy_outlives_its_source(s3, server):
    """A copied object of several parts stays when the first is deleted; then all is freed."""
    upload, listed = send_parts(s3, "big", [b"x" * 10, b"y"])
    s3.complete_multipart_upload(Bucket=BUCKET, Key="big", UploadId=upload, MultipartUpload=listed)

    s3.copy_object(Bucket=BUCKET, Key="a/copy", CopySource={"Bucket": BUCKET, "Key": "big"})
    s3.delete_object(Bucket=BUCKET, Key="big")

    assert b"x" * 10 + b"y" == body_of(s3, "a/copy")
    s3.delete_object(Bucket=BUCKET, Key="a/copy")
    assert [] == list((server.root / "parts").iterdir())


def test_listing_is_paged(s3, server):
    """Every key comes once and in order, whatever the pages; folders are shown as prefixes."""
    (server.objects / "many").mkdir()
    names = [f"many/{number:04d} & <co>" for number in range(1203)]
    for name in [*names, "else"]:
        (server.objects / name).touch()
    paginator = s3.get_paginator("list_objects_v2")
    pages = {"Bucket": BUCKET, "Prefix": "many/", "PaginationConfig": {"PageSize": 100}}

    listed = [item["Key"] for page in paginator.paginate(**pages) for item in page["Contents"]]
    top = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")

    assert names == listed
    assert [{"Prefix": "many/"}] == top["CommonPrefixes"]
    assert ["else"] == [item["Key"] for item in top["Contents"]]


def test_a_presigned_address_works_without_a_client(s3):
    """Any signature is accepted, in the query too."""
    put(s3, b"sun")
    address = s3.generate_presigned_url("get_object", Params=NO_CONDITION)

    with urlopen(address) as answer:
        assert b"sun" == answer.read()


def test_framed_bodies_are_unframed(s3, server):
    """A body in aws-chunked framing is stored without it."""
    framed = b"3;chunk-signature=0\r\nsun\r\n5\r\n wind\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    marked = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}

    connection.request("PUT", f"/{BUCKET}/framed", body=framed, headers=marked)
    status = connection.getresponse().status
    connection.close()

    assert 200 == status
    assert b"sun wind" == body_of(s3, "framed")


REPLACER = """
import os, sys
folder, number = sys.argv[1], 0
while True:
    number += 1
    with open(f"{folder}/new", "wb") as file:
        file.write(b"x" * (number % 5000))
    os.rename(f"{folder}/new", f"{folder}/object")
"""


def test_no_answer_mixes_two_objects(server):
    """Bytes that come with an etag are those of that etag, however fast they are replaced."""
    (server.objects / "object").write_bytes(b"x")
    replacer = subprocess.Popen([sys.executable, "-c", REPLACER, str(server.objects)])
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    pairs = []
    try:
        while len(pairs) < 1000:
            try:
                connection.request("GET", f"/{BUCKET}/object")
                answer = connection.getresponse()
                etag, body = answer.headers["etag"], answer.read()
            except (http.client.HTTPException, ConnectionError):
                connection.close()  # cut off rather than wrong
            else:
                pairs.append((int(etag[25:33], 16), len(body)))
    finally:
        connection.close()
        replacer.kill()
        replacer.wait(60)

    assert [] == [pair for pair in pairs if pair[0] != pair[1]]


def test_nothing_is_left(runs_here):
    """The end of the server ends its processes and frees its memory."""
    with ObjectServer() as server:
        root, pids = server.root, server._pids()

    assert len(pids) > 1
    assert [] == [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not root.exists()


def test_it_ends_with_its_owner(runs_here):
    """A killed benchmark takes its server with it."""
    program = (
        "from benchmarks.server import ObjectServer; import os, signal\n"
        "server = ObjectServer().__enter__()\n"
        "print(server.port, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )

    assert ended(int(done.stdout))


def ended(port, limit_seconds=10):
    """Whether nobody listens on a port any more, in time."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False
