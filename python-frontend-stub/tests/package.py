"""What the tests share: a directory, the compiler, comparison of logits."""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python-frontend-stub"), str(ROOT / "test" / "EndToEnd")]

import stc  # noqa: E402
from support import BOOKS, SHARED, TemporaryDirectoryTest, needs_shared  # noqa: E402


def readme_code():
    """(code, what it prints) of every Python block of the README."""
    text = (ROOT / "python-frontend-stub" / "README.md").read_text()
    return re.findall(r"```python\n(.*?)```\n```\n(.*?)```\n", text, re.S)


def read_safetensors(path):
    """{name: stc.Tensor}, by the format's definition."""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: stc.Tensor(entry["dtype"], tuple(entry["shape"]),
                             data[8 + size:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}


class PackageTest(TemporaryDirectoryTest):
    """A test case with a fresh directory in self.tmp."""

    def run_readme(self, wanted):
        """Runs the README's code for which wanted(code), as a user would."""
        (self.tmp / "examples").symlink_to(ROOT / "examples")
        folder = ROOT / "python-frontend-stub"
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{folder / 'tests'}"}
        codes = [(code, printed) for code, printed in readme_code() if wanted(code)]
        self.assertEqual(len(codes), 2)
        for code, printed in codes:
            result = subprocess.run([sys.executable, "-c", code], cwd=self.tmp, env=environment,
                                    capture_output=True)
            self.assertEqual(result.stderr.decode(), "")
            got, want = result.stdout.decode().splitlines(), printed.splitlines()
            self.assertEqual(len(got), len(want))
            # Sampled text depends on how a processor rounds.
            first = 1 if "temperature" in code else 0
            self.assertEqual(got[first:], want[first:])

    def load(self, model, name="model", **options):
        """Compiles a graph or a file and opens the result."""
        return stc.Model(stc.compile(model, self.tmp / name, emit="shared", **options))

    def assert_close(self, got, want, tolerance):
        """Two [tokens][vocabulary] tables of numbers. Reference logits that are all alike would
        make the comparison an empty one."""
        got, want = [list(map(float, row)) for row in got], [list(map(float, row)) for row in want]
        self.assertEqual([len(row) for row in got], [len(row) for row in want])
        flat = [value for row in want for value in row]
        self.assertGreater(max(flat) - min(flat), 0.5)
        worst = max(abs(a - b) for g, w in zip(got, want) for a, b in zip(g, w))
        self.assertLess(worst, tolerance)

    def raises(self, kind, expected, call, *arguments, **options):
        """The message says what is expected."""
        with self.assertRaises(kind) as caught:
            call(*arguments, **options)
        self.assertRegex(str(caught.exception), expected)
        return caught.exception


__all__ = ["BOOKS", "PackageTest", "ROOT", "SHARED", "needs_shared", "read_safetensors",
           "stc"]
