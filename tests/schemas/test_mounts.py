"""Which file system a path lies on."""

from __future__ import annotations

import pytest

from rootcellar.schemas.mounts import network_file_system

TABLE = """\
22 1 8:1 / / rw - ext4 /dev/root rw
30 22 0:40 / {root}/nfs rw shared:1 - nfs4 server:/x rw
31 30 8:2 / {root}/nfs/local rw - xfs /dev/sdb rw
32 22 0:41 / {root}/two\\040words rw - fuse.s3fs s3fs rw
33 22 0:42 / {root}/hidden rw - nfs server:/y rw
34 33 8:3 / {root}/hidden rw - ext4 /dev/sdc rw
35 22 8:4 / {root}/ntfs rw - fuseblk /dev/sdd rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x", ""),
        ("nfs/x/y", "nfs4"),
        ("nfs", "nfs4"),
        ("nfsx", ""),
        ("nfs/local/x", ""),
        ("two words/x", "fuse.s3fs"),
        ("hidden/x", ""),
        ("ntfs/x", ""),
    ],
)
def test_the_deepest_mount_decides(tmp_path, path, expected):
    """The mount nearest above the path, and of several there the last."""
    root = tmp_path.resolve()
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.replace("{root}", str(root)))

    assert expected == network_file_system(root / path, table)


def test_without_a_mount_table_nothing_is_known(tmp_path):
    """Other systems than Linux have none."""
    assert "" == network_file_system(tmp_path, tmp_path / "absent")
