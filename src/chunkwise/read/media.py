"""What a file holds: its media type by name, shebang or first bytes, and whether it is text at all."""

from __future__ import annotations

import re
from pathlib import Path

from chunkwise.read.decode import unicode_of

HEAD = 8192  # bytes that are looked at where the name does not say enough

_by_extension = {
    extension: media
    for media, extensions in {
        "application/json": "json geojson webmanifest avsc har",
        "application/jsonl": "jsonl ndjson",
        "application/pdf": "pdf",
        "application/toml": "toml",
        "application/x-ipynb+json": "ipynb",
        "application/xml": "xml xsd xsl xslt svg rss atom nxml plist wsdl xhtml+xml kml gpx",
        "application/yaml": "yaml yml",
        "text/css": "css scss sass less",
        "text/csv": "csv",
        "text/html": "html htm xhtml",
        "text/javascript": "js mjs cjs jsx",
        "text/markdown": "md markdown mdx mkd rmd qmd",
        "text/plain": "txt text log",
        "text/tab-separated-values": "tsv tab",
        "text/typescript": "ts tsx mts cts",
        "text/x-asm": "s asm",
        "text/x-batch": "bat cmd",
        "text/x-c": "c h",
        "text/x-c++": "cc cpp cxx c++ hh hpp hxx h++ ipp inl tpp cu cuh ino",
        "text/x-clojure": "clj cljs cljc edn",
        "text/x-cmake": "cmake",
        "text/x-csharp": "cs csx",
        "text/x-cython": "pyx pxd pxi",
        "text/x-dart": "dart",
        "text/x-diff": "diff patch",
        "text/x-elixir": "ex exs",
        "text/x-erlang": "erl hrl",
        "text/x-fortran": "f f77 f90 f95 f03 f08",
        "text/x-fsharp": "fs fsx fsi",
        "text/x-go": "go",
        "text/x-groovy": "groovy gradle",
        "text/x-haskell": "hs lhs",
        "text/x-hcl": "tf hcl tfvars",
        "text/x-ini": "ini cfg conf properties editorconfig",
        "text/x-java": "java",
        "text/x-julia": "jl",
        "text/x-kotlin": "kt kts",
        "text/x-lisp": "lisp lsp cl el",
        "text/x-lua": "lua",
        "text/x-makefile": "mk mak",
        "text/x-nix": "nix",
        "text/x-objective-c": "m mm",
        "text/x-ocaml": "ml mli",
        "text/x-pascal": "pas pp dpr",
        "text/x-perl": "pl pm t",
        "text/x-php": "php php3 php4 php5 phtml",
        "text/x-powershell": "ps1 psm1 psd1",
        "text/x-protobuf": "proto",
        "text/x-python": "py pyi pyw",
        "text/x-r": "r",
        "text/x-rst": "rst rest",
        "text/x-ruby": "rb rake gemspec ru",
        "text/x-rust": "rs",
        "text/x-scala": "scala sc sbt",
        "text/x-scheme": "scm ss rkt",
        "text/x-shellscript": "sh bash zsh ksh fish bats",
        "text/x-solidity": "sol",
        "text/x-sql": "sql ddl",
        "text/x-swift": "swift",
        "text/x-tex": "tex ltx sty cls bib",
        "text/x-vb": "vb bas vbs",
        "text/x-verilog": "v vh sv svh",
        "text/x-vhdl": "vhd vhdl",
        "text/x-vue": "vue svelte",
        "text/x-zig": "zig",
    }.items()
    for extension in extensions.split()
}

_by_name = {
    name: media
    for media, names in {
        "text/plain": "license licence copying notice authors contributors readme changelog news todo",
        "text/x-cmake": "cmakelists.txt",
        "text/x-dockerfile": "dockerfile containerfile",
        "text/x-groovy": "jenkinsfile",
        "text/x-ini": ".gitconfig .gitattributes .gitignore .dockerignore .editorconfig .npmrc",
        "text/x-makefile": "makefile gnumakefile kbuild",
        "text/x-python": "sconstruct sconscript wscript",
        "text/x-ruby": "gemfile rakefile vagrantfile guardfile podfile brewfile fastfile",
        "text/x-shellscript": ".bashrc .bash_profile .profile .zshrc .zprofile pkgbuild",
        "text/x-starlark": "build.bazel workspace.bazel",
    }.items()
    for name in names.split()
}

_by_interpreter = {
    "bash": "text/x-shellscript",
    "dash": "text/x-shellscript",
    "deno": "text/typescript",
    "fish": "text/x-shellscript",
    "ksh": "text/x-shellscript",
    "lua": "text/x-lua",
    "make": "text/x-makefile",
    "node": "text/javascript",
    "nodejs": "text/javascript",
    "perl": "text/x-perl",
    "php": "text/x-php",
    "pypy": "text/x-python",
    "python": "text/x-python",
    "rscript": "text/x-r",
    "ruby": "text/x-ruby",
    "sh": "text/x-shellscript",
    "zsh": "text/x-shellscript",
}

_binary_extensions = frozenset(
    """
    3gp 7z a aac aif aiff apk ar arrow avi avif bin blend bmp bz2 cab class crx db db3 deb dex dll dmg doc docm docx
    dylib ecw eot epub exe flac flv gif glb gpg gz h5 hdf5 heic icns ico img iso jar jp2 jpeg jpg jxl key lz lz4
    lzma m4a m4v mdb mkv mo mov mp3 mp4 mpeg mpg msi nib npy npz o obj odp ods odt ogg onnx opus orc otf parquet pck
    pickle pkl png ppt pptx psd pt pth pyc pyd pyo rar rpm safetensors so sqlite sqlite3 swf tar tbz tgz tif tiff
    ttf ttc wasm war wav webm webp whl wma wmv woff woff2 xls xlsb xlsm xlsx xz z zip zst
    """.split()  # noqa: SIM905
)

_magic = (  # none that a text could begin with
    *(b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"),
    *(b"SQLite format 3\0", b"\xca\xfe\xba\xbe"),
)
_control = bytes({*range(32)} - {7, 8, 9, 10, 11, 12, 13, 27})
_not_control = bytes({*range(256)} - {*_control})
_shebang = re.compile(rb"#!\s*(?:\S*/env\s+(?:-\S+\s+|\w+=\S+\s+)*)?(?:\S*/)?([A-Za-z]+)")
_html = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)


def media_type(path: Path | str) -> str:
    """The media type of a file, such as "text/x-python"; "text/plain" where nothing says more.

    By its name; where that does not tell, by its first bytes (a shebang, `%PDF-`, an HTML or XML declaration). A file
    that cannot be opened is judged by its name alone; "application/octet-stream" is anything binary.
    """
    path = Path(path)
    named = of_name(path.name)
    if named is not None:
        return named
    try:
        head = b""
        if path.is_file():  # a FIFO or a device would block
            with path.open("rb") as file:
                head = file.read(HEAD)
    except OSError:
        head = b""
    return "application/octet-stream" if is_binary(head) else of_head(head)


def of_name(name: str) -> str | None:
    """The media type that a file's name or extension says, or None where it says nothing."""
    last = name.replace("\\", "/").rpartition("/")[2].lower()
    if last in _by_name:
        return _by_name[last]
    extension = last.rpartition(".")[2] if "." in last else ""
    if extension in _binary_extensions:
        return "application/octet-stream"
    return _by_extension.get(extension) or _by_name.get(last.partition(".")[0] if extension else "")


def of_head(head: bytes) -> str:
    """The media type of a text by its first bytes: shebang, PDF, HTML, XML, else "text/plain"."""
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if shebang := _shebang.match(head):
        return _by_interpreter.get(shebang[1].decode().lower(), "text/plain")
    if _html.match(head):
        return "text/html"
    return "application/xml" if head.startswith(b"<?xml") else "text/plain"


def is_binary(head: bytes) -> bool:
    """Whether a file's first bytes are no text: a known signature, or more control bytes than any text has.

    UTF-16 and UTF-32 are text, and so is a text with a handful of NULs in it; PDF counts as text, since it is read.
    """
    if head.startswith(_magic):
        return True
    controls = len(head.translate(None, _not_control))
    if not controls or head.startswith(b"%PDF-") or unicode_of(head):
        return False
    return controls > min(len(head) / 2, 4 + len(head) / 20)
