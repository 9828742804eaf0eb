"""Packs one binary as Lambda wants it, always into the same bytes.

Usage: zip.py BINARY ZIP
"""

import os
import pathlib
import sys
import time
import zipfile


def pack(binary, target):
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    entry = zipfile.ZipInfo("bootstrap", moment)
    entry.external_attr = 0o100755 << 16
    entry.create_system = 3
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, pathlib.Path(binary).read_bytes(), compresslevel=9)


if __name__ == "__main__":
    pack(*sys.argv[1:])
