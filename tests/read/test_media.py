"""What a file is taken for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chunkwise.read import media_type


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("a.py", "text/x-python"),
        ("A.PY", "text/x-python"),
        ("a.min.js", "text/javascript"),
        ("a.tsx", "text/typescript"),
        ("A.java", "text/x-java"),
        ("a.go", "text/x-go"),
        ("a.rs", "text/x-rust"),
        ("a.h", "text/x-c"),
        ("a.hpp", "text/x-c++"),
        ("a.cs", "text/x-csharp"),
        ("a.rb", "text/x-ruby"),
        ("a.php", "text/x-php"),
        ("a.sh", "text/x-shellscript"),
        ("README.md", "text/markdown"),
        ("index.rst", "text/x-rst"),
        ("a.ipynb", "application/x-ipynb+json"),
        ("a.json", "application/json"),
        ("Makefile", "text/x-makefile"),
        ("Makefile.am", "text/x-makefile"),
        ("Dockerfile.dev", "text/x-dockerfile"),
        ("CMakeLists.txt", "text/x-cmake"),
        ("Gemfile", "text/x-ruby"),
        (".bashrc", "text/x-shellscript"),
        ("LICENSE", "text/plain"),
        ("a.unheardof", "text/plain"),
        ("a.png", "application/octet-stream"),
        ("", "text/plain"),
    ],
)
def test_by_name(name: str, media: str) -> None:
    assert media_type(name) == media
    assert media_type(Path("some.py/folder.md") / name) == media or name == ""


@pytest.mark.parametrize(
    ("head", "media"),
    [
        (b"#!/usr/bin/env python3\n", "text/x-python"),
        (b"#!/usr/bin/env -S LANG=C python3.11 -u\n", "text/x-python"),
        (b"#! /bin/sh -e\n", "text/x-shellscript"),
        (b"#!/usr/local/bin/node\n", "text/javascript"),
        (b"#!/opt/strange\n", "text/plain"),
        (b"#!", "text/plain"),
        (b"%PDF-1.4\n", "application/pdf"),
        (b"\xef\xbb\xbf <!-- made -->\n<!DOCTYPE HTML>", "text/html"),
        (b"<?xml version='1.0'?>", "application/xml"),
        (b"plain", "text/plain"),
        (b"\x7fELF\x02\x01\x01", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_by_first_bytes(tmp_path: Path, head: bytes, media: str) -> None:
    path = tmp_path / "script"
    path.write_bytes(head)
    assert media_type(path) == media


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert media_type(tmp_path / "pipe") == "text/plain"
    assert media_type(tmp_path / "gone") == "text/plain"
    assert media_type(tmp_path) == "text/plain"
