"""A request that is sent over and over, in the forms that the generators of load take."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

HOST: Final = "127.0.0.1"


class Asked(Struct, frozen=True):
    """A GET, or a POST where there is a body. All of it is ASCII."""

    path: str
    headers: Mapping[str, str]
    body: str = ""

    @property
    def method(self) -> str:
        """By whether there is a body."""
        return "POST" if self.body else "GET"

    def for_wrk(self) -> str:
        """As a script of wrk's, but for the path. Strings are written in Lua as in JSON, where all is ASCII."""
        lines = [f"wrk.method = {json.dumps(self.method)}"]
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers.items()]
        lines += [f"wrk.body = {json.dumps(self.body)}"] if self.body else []
        return "\n".join(lines) + "\n"

    def for_h2load(self, body_file: Path) -> list[str]:
        """As options of h2load's, but for the path. A body is written into the file, where it reads it."""
        headers = [f"--header={name}: {value}" for name, value in self.headers.items()]
        if not self.body:
            return headers
        body_file.write_text(self.body, encoding="ascii")
        return [*headers, f"--data={body_file}"]
