"""Which kind of file system a path lies on."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["file_system", "network_file_system"]

_NETWORK = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb3", "smbfs", "afs"),
        *("lustre", "gpfs", "beegfs", "ceph", "glusterfs", "orangefs", "pvfs2", "gfs2", "ocfs2"),
    }
)
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.bindfs"})
_MOUNT_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def file_system(path: Path, mount_table: Path = _MOUNT_TABLE) -> str:
    """Return the kind of file system that `path` lies on, such as `ext4`.

    Empty where there is no mount table: not on Linux.
    """
    try:
        lines = mount_table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    target = path.resolve()
    deepest, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), before.split()[4]))
        # Of equally deep mounts the last one hides the others.
        if target.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), after.split()[0]
    return kind


def network_file_system(path: Path, mount_table: Path = _MOUNT_TABLE) -> str:
    """Return the kind of network file system that `path` lies on, or empty for a local one.

    FUSE mounts count as networks, but for a few: buckets and sshfs are mounted that way. Nothing is
    known, and empty returned, where there is no mount table.

    Source: https://sqlite.org/wal.html, "all processes must be on the same host computer".
    """
    kind = file_system(path, mount_table)
    is_network = kind in _NETWORK or kind == "fuse" or kind.startswith("fuse.")
    return kind if is_network and kind not in _LOCAL_FUSE else ""
