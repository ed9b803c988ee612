"""Every decoder family computes what its published definition says, from both containers, one token
at a time as all at once, and pruned and quantized as the interpreter does."""
from support import TemporaryDirectoryTest, compile_model, interpret_logits, read_npy, run, stc

TOKENS = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2, 18]
CONTINUED = 5


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


class FamilyTest(TemporaryDirectoryTest):
    def logits(self, binary):
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def check(self, path, want, options):
        binary = compile_model(path, self.tmp / "model", *options)
        rows = self.logits(binary)
        self.assertEqual(len(rows), len(want))
        worst = max(abs(a - b) for row, expected in zip(rows, want)
                    for a, b in zip(row, expected))
        self.assertLess(worst, 1e-3)
        return binary

    def continuation(self, family, tensors):
        tokens = list(TOKENS)
        for _ in range(CONTINUED):
            tokens.append(argmax(family.forward(tensors, tokens)[-1]))
        return tokens[len(TOKENS):]

    def check_family(self, make):
        family = make()
        options = getattr(family, "options", ())
        tensors = family.tensors()
        want = family.forward(tensors, TOKENS)
        # A model that says nothing would agree with everything.
        self.assertGreater(max(abs(x) for x in want[-1]), 0.5)
        directory = family.write(self.tmp / "hf", tensors)
        binary = self.check(directory, want, options)
        text = run(binary, "run", "--tokens", ",".join(map(str, TOKENS)), "-n", CONTINUED,
                   "--temperature", "0", "--ignore-eos", "--print-tokens", "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], self.continuation(family, tensors))
        self.check(family.write_sharded(self.tmp / "sharded", tensors), want, options)
        if family.gguf:
            self.check(family.write_gguf(self.tmp / "model.gguf", tensors), want, options)
        self.check_export(family, directory, want[-1], options)
        self.check_compressed(directory, options)

    def check_export(self, family, directory, want, options):
        """As a GGUF of ours it is the same model, or it cannot be one."""
        if options:
            return
        result = stc("compile", directory, "--emit=gguf", "-o", self.tmp / "export.gguf", "--quiet",
                     check=False)
        self.assertEqual(result.returncode == 0, family.exported, result.stderr)
        if not family.exported:
            self.assertIn(f"got one of {family.name}", result.stderr.decode())
            return
        got = interpret_logits(self.tmp / "export.gguf", self.tmp / "export.mlir", "none", "none",
                               TOKENS, "--stc-to-graph")
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)), 1e-4)

    def check_compressed(self, directory, options):
        # The interpreter compiles for the default context.
        if options:
            return
        binary = compile_model(directory, self.tmp / "compressed", "--prune", "magnitude:2:4",
                               "--quantize", "int8-g32")
        got = self.logits(binary)[-1]
        want = interpret_logits(directory, self.tmp / "import.mlir", "magnitude:2:4", "int8-g32",
                                TOKENS)
        self.assertEqual(len(got), len(want))
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        # A code of an activation that falls on the other side of a half makes a step.
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, 2e-2)


def add_tests(case, families):
    """One test of `case`, a FamilyTest, for each family."""
    for make in families:
        setattr(case, f"test_{make.__name__}", lambda self, make=make: self.check_family(make))
