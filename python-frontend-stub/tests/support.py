"""What the tests share: a directory, the compiler, comparison of logits."""
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python-frontend-stub"))

import stc  # noqa: E402

BOOKS = ROOT / "examples" / "books"
SHARED = pathlib.Path(os.environ.get("STC_SHARED_DIR", ROOT.parent / "shared"))

needs_shared = unittest.skipUnless((SHARED / "models").is_dir(), "the shared models are absent")


class TemporaryDirectoryTest(unittest.TestCase):
    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self.tmp = pathlib.Path(self._directory.name)

    def tearDown(self):
        self._directory.cleanup()

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
