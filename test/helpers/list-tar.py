"""Prints the entries of a tar as JSON; argv: the tar."""

import hashlib
import json
import sys
import tarfile

TYPES = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def clean(name):
    return name.removeprefix("./").strip("/")


def facts_of(archive, member):
    facts = {
        "type": "file" if member.isreg() else TYPES[member.type],
        "mode": member.mode & 0o7777,
        "uid": member.uid,
        "gid": member.gid,
    }
    if member.isreg():
        digest = hashlib.file_digest(archive.extractfile(member), "sha256")
        facts |= {"size": member.size, "sha256": digest.hexdigest()}
    elif member.issym():
        facts["target"] = member.linkname
    elif member.ischr() or member.isblk():
        facts["device"] = f"{member.devmajor}:{member.devminor}"
    capability = member.pax_headers.get("SCHILY.xattr.security.capability")
    if capability is not None:
        facts["capability"] = capability.encode("utf-8", "surrogateescape").hex()
    return facts


def main(tar_path):
    entries = {}
    with tarfile.open(tar_path, "r:") as archive:
        for member in archive:
            # One facts object stands for one inode, and a repeated path replaces what was there.
            facts = entries[clean(member.linkname)] if member.islnk() else facts_of(archive, member)
            entries[clean(member.name)] = facts
    for root in ("", "."):
        entries.pop(root, None)
    groups = {}
    for path, facts in entries.items():
        groups.setdefault(id(facts), []).append(path)
    for paths in groups.values():
        if len(paths) > 1:
            entries[paths[0]]["links"] = sorted(paths)
    print(json.dumps(list(entries.items())))


main(sys.argv[1])
