"""What surrounds the programs: standard files that are closed or full, limits, other users, no /proc, caches."""
import os
import shutil
import subprocess
import unittest

from support import BIN, BOOKS, TemporaryDirectoryTest, compile_model, make_llama, run, stc


def shell(script, *arguments, **options):
    """A line of bash that gets `arguments` as "$@"."""
    return run("bash", "-c", script, "bash", *arguments, check=False, **options)


class Environment(TemporaryDirectoryTest):
    def fails(self, result, mention=None, status=1):
        text = result.stderr.decode(errors="replace").strip()
        self.assertEqual(result.returncode, status, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertTrue(text.startswith("error: "), text)
        self.assertIn(mention or "", text)

    def graph(self, name, script='exec "$@"'):
        """The graph of a model that `script` compiles."""
        path = self.tmp / name
        result = shell(script, BIN / "stc", "compile", BOOKS, "--emit=mlir:import", "-o", path)
        return result, path.read_bytes() if path.exists() else None

    def test_closed_standard_files(self):
        # A file opened in place of standard error would get the messages, and be damaged.
        _, expected = self.graph("plain")
        for number, closed in enumerate(("2>&-", "<&- >&- 2>&-", "<&-", "2>/dev/full")):
            result, got = self.graph(f"closed{number}", f'exec "$@" {closed}')
            self.assertEqual(result.returncode, 0, closed)
            self.assertEqual(got, expected, closed)

    def test_results_that_nobody_gets(self):
        for words in (("inspect", BOOKS), ("--help",), ("version",), ("compile", "--help"),
                      ("run", "--help"), ("tokenize", "--help"),
                      ("compile", BOOKS, "--emit=mlir:import", "-o", "-")):
            self.fails(shell('exec "$@" >/dev/full', BIN / "stc", *words), "No space left")
            self.fails(shell('exec "$@" >&-', BIN / "stc", *words), "standard output")

    def test_limits_of_the_compiler(self):
        for script, mention in (('ulimit -f 4; exec "$@"', "File too large"),
                                ('ulimit -n 3; exec "$@"', None)):
            result, got = self.graph("limited", script)
            if b"shared librar" not in result.stderr:  # the loader's own message
                self.fails(result, mention)
            self.assertIsNone(got)
            self.assertEqual(list(self.tmp.iterdir()), [])

    def test_limits_of_a_model(self):
        binary = compile_model(BOOKS, self.tmp / "m", "--quantize", "int4")
        good = 0
        for kibibytes in range(16000, 80000, 4000):
            result = shell(f'ulimit -v {kibibytes}; exec "$@"', binary, "run", "-p", "A", "-n", "2",
                           "--threads", "4", "--quiet")
            good += result.returncode == 0
            if result.returncode != 0:
                self.fails(result)
        self.assertGreater(good, 0)
        logits = self.tmp / "l.npy"
        self.fails(shell('ulimit -f 4; exec "$@"', binary, "logits", "--tokens", "1,2,3", "-o", logits),
                   "File too large")
        self.assertFalse(logits.exists())

    def test_without_proc(self):
        binary = compile_model(BOOKS, self.tmp / "m", "--quantize", "int4")
        hide = 'umount -l /proc && exec "$@"'
        if shell(f"exec unshare -m bash -c '{hide}' bash true").returncode != 0:
            self.skipTest("this process may not hide /proc")
        words = ("unshare", "-m", "bash", "-c", hide, "bash")
        expected = run(binary, "run", "-p", "A", "-n", "4", "--seed", "1", "--quiet").stdout
        self.assertEqual(run(*words, binary, "run", "-p", "A", "-n", "4", "--seed", "1",
                             "--quiet").stdout, expected)
        run(*words, BIN / "stc", "compile", BOOKS, "-o", self.tmp / "again", "--quantize", "int4",
            "--quiet")

    def test_a_user_without_home(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("only root can become another user")
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-u",
                  "HOME", "-u", "XDG_CACHE_HOME")
        if run(*nobody, BIN / "stc", "inspect", BOOKS, check=False).returncode != 0:
            self.skipTest("other users cannot run this build")
        # Not where others could put programs for us to run.
        result = run(*nobody, BIN / "stc", "info", BOOKS, check=False)
        self.fails(result, ".cache/stc: expected")
        self.assertNotIn(b"/tmp/", result.stderr)

    def test_options_are_checked_before_compiling(self):
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.tmp / "cache"))
        for words in (("run", BOOKS, "--no-such"), ("run", BOOKS, "-p"), ("eval", BOOKS, "extra"),
                      ("run", "-p", "text"), ("run", "-p", "x", BOOKS, "--prune", "5:4"),
                      ("bench",)):
            self.fails(stc(*words, check=False, env=environment))
        page = stc("run", BOOKS, "--help", env=environment).stdout
        for option in (b"--prompt", b"--prune", b"run MODEL -p"):
            self.assertIn(option, page)
        self.assertEqual([p for p in (self.tmp / "cache").rglob("*") if p.is_file()], [])

    def test_the_cache_knows_what_a_compilation_read(self):
        cache = self.tmp / "cache"
        environment = dict(os.environ, XDG_CACHE_HOME=str(cache))
        model = make_llama(self.tmp / "llama", layers=1)
        module = self.tmp / "graph.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
        weights = model / "model.safetensors"

        def programs(path):
            stc("info", path, env=environment)
            return len([p for p in (cache / "stc").iterdir() if p.is_file()])

        self.assertEqual(programs(weights), 1)
        self.assertEqual(programs(weights), 1)
        config = model / "config.json"
        config.write_text(config.read_text().replace("10000.0", "20000.0"))
        self.assertEqual(programs(weights), 2)
        self.assertEqual(programs(module), 3)
        os.utime(weights, (1, 1))
        self.assertEqual(programs(module), 4)


if __name__ == "__main__":
    unittest.main()
