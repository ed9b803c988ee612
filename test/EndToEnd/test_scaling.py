"""Repeated layers share code: code size does not grow with depth."""
import unittest

from support import TemporaryDirectoryTest, compile_model, make_llama, run


class Scaling(TemporaryDirectoryTest):
    def text_bytes(self, layers):
        model = make_llama(self.tmp / f"llama{layers}", layers=layers, hidden=64, ffn=96, vocab=64)
        assembly = compile_model(model, self.tmp / "m.s", "--emit=asm", "--quantize", "int4")
        run("cc", "-c", assembly, "-o", self.tmp / "m.o")
        sizes = run("size", "-A", self.tmp / "m.o").stdout.decode().splitlines()
        return sum(int(line.split()[1]) for line in sizes if line.startswith(".text"))

    def test_code_does_not_grow_with_layers(self):
        six, twenty_four = self.text_bytes(6), self.text_bytes(24)
        self.assertGreater(six, 1000)
        # Loop bounds are immediates of one or four bytes; nothing else may change.
        self.assertLess(abs(twenty_four - six), 64)


if __name__ == "__main__":
    unittest.main()
