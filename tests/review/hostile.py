"""Tampered notebooks: everything in a file that can make a browser run or fetch something."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from tests.test_hostile import ALERTS

HTML: Final = {
    **ALERTS,
    "raw script": "<script>window.pwned = 1; alert(1)</script>",
    "src script": '<script src="https://evil.example/x.js"></script><script type=module>window.pwned=1</script>',
    "srcdoc": '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
    "svg": '<svg><script>window.pwned=1</script><use href="https://evil.example/x.svg#a"/></svg><svg onload="pwned=1">',
    "math": '<math><mtext><table><mglyph><style><img src=x onerror="pwned=1"></style></mglyph></table></mtext></math>',
    "css": "<style>@import url(https://evil.example/x.css); body{background:url(https://evil.example/x.png)}</style>",
    "style": '<div style="background:url(https://evil.example/y.png);position:fixed;inset:0">x</div>',
    "right": '<table><tr><td style="text-align:right;background:url(https://evil.example/z.png)">x</td></tr></table>',
    "images": '<img src="https://evil.example/a.png"><img srcset="https://evil.example/b 2x"><img src="//e.example/c">',
    "svg picture": '<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+">',
    "lazy": '<video poster="https://evil.example/p.png" src="https://evil.example/v"></video><audio src=//e.example/a>',
    "base": '<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example">',
    "form": '<form action="https://evil.example"><input autofocus onfocus="pwned=1"><button formaction=//e.example>x',
    "links": '<a href="data:text/html,<script>alert(1)</script>">a</a><a href="file:///etc/passwd">b</a>'
    '<a href="../../.env">c</a><a href="https://evil.example" target="_blank">d</a><a href="#x" ping=//e.example>e</a>',
    "preload": '<link rel=preload as=script href="https://evil.example/x.js"><link rel=icon href="https://e.example/i">',
    "clobber": '<div id="main">x</div><a id="failed" name="document">x</a><img name="body">',
    "comment": "<!--><script>window.pwned=1</script>--><!--[if IE]><script>pwned=1</script><![endif]-->",
    "unclosed": '<table><tr><td><a href="https://evil.example"><b><div class="cell"><pre><!--',
    "policy": '<meta http-equiv="Content-Security-Policy" content="default-src *">',
    "bytes": "\x00\x1b[31m\ud800</body></html><script>pwned=1</script>",
}
"""The attacks, by what each tries to do."""

MIMES: Final = {
    "application/javascript": "window.pwned = 1",
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" onload="pwned=1"><script>pwned=1</script></svg>',
    "text/latex": "$\\href{javascript:alert(1)}{x}$",
    "application/vnd.jupyter.widget-view+json": {"model_id": "</script><script>pwned=1</script>"},
    "application/vnd.plotly.v1+json": {"x": 1},
    "image/png": '"><script>pwned=1</script>',
    "text/plain": 7,
}


def notebook() -> dict[str, Any]:
    """A notebook with all attacks in every place that is shown."""
    outputs: list[Any] = [
        *({"output_type": "display_data", "data": {"text/html": text}, "metadata": {}} for text in HTML.values()),
        *({"output_type": "display_data", "data": {"text/markdown": text}, "metadata": {}} for text in HTML.values()),
        *({"output_type": "execute_result", "data": {mime: data}, "metadata": {}} for mime, data in MIMES.items()),
        *({"output_type": "stream", "name": text, "text": [text]} for text in HTML.values()),
        {"output_type": "error", "ename": HTML["svg"], "evalue": HTML["css"], "traceback": list(HTML.values())},
        {"output_type": "display_data", "data": {"text/html": "<p>x"}, "metadata": {"text/html": {"isolated": True}}},
        {"output_type": "nothing"},
        *(None, 3, "x"),
    ]
    code = [
        {"cell_type": "code", "id": text, "source": text, "outputs": [], "metadata": {"tags": [text]}}
        for text in HTML.values()
    ]
    markdown = [{"cell_type": "markdown", "source": [text], "attachments": text} for text in HTML.values()]
    attached = {
        "cell_type": "markdown",
        "source": "![x](attachment:x.png) ![y](attachment:y.svg)",
        "attachments": {
            "x.png": {"image/png": base64.b64encode(b"\x89PNG").decode()},
            "y.svg": {"image/svg+xml": MIMES["image/svg+xml"]},
            "z": None,
        },
    }
    raw = {"cell_type": "raw", "source": HTML["raw script"], "metadata": {"raw_mimetype": "text/html"}}
    last = {"cell_type": "code", "source": "last", "outputs": outputs, "execution_count": "<script>pwned=1</script>"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": HTML, "cells": [*code, *markdown, attached, raw, last]}


def file() -> bytes:
    """The same notebook as a file."""
    return json.dumps(notebook()).encode()
