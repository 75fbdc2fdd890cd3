"""Prints the file tree below / as JSON; argv: JSON of the mounts to enter and of the paths to leave out."""

import hashlib
import json
import os
import stat
import sys

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def facts_of(path, status):
    kind = TYPES[stat.S_IFMT(status.st_mode)]
    facts = {"type": kind, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
    if kind == "file":
        with open(path, "rb") as content:
            digest = hashlib.file_digest(content, "sha256")
        facts |= {"size": status.st_size, "sha256": digest.hexdigest()}
    elif kind == "symlink":
        facts["target"] = os.readlink(path)
    elif kind in ("char", "block"):
        facts["device"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    try:
        facts["capability"] = os.getxattr(path, "security.capability", follow_symlinks=False).hex()
    except OSError:
        pass  # no such attribute
    return facts


def walk(directory, device, options):
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if path[1:] in options["excluded"]:
            continue
        status = os.lstat(path)
        is_directory = stat.S_ISDIR(status.st_mode)
        is_volume = path in options["volumes"]
        # Overlayfs may show files, never directories, under another device number.
        if is_directory and status.st_dev != device and not is_volume:
            raise SystemExit(f"{path} is a mount that the listing does not know")
        yield path[1:], status
        if is_directory:
            yield from walk(path, status.st_dev, options)


def main(options):
    entries = []
    inodes = {}
    for path, status in walk("/", os.lstat("/").st_dev, options):
        facts = facts_of("/" + path, status)
        entries.append((path, facts))
        if not stat.S_ISDIR(status.st_mode):
            inodes.setdefault((status.st_dev, status.st_ino), []).append((path, facts))
    for members in inodes.values():
        if len(members) > 1:
            links = sorted(path for path, _ in members)
            for _, facts in members:
                facts["links"] = links
    print(json.dumps(entries))


main(json.loads(sys.argv[1]))
