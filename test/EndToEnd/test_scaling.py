"""Repeated layers share code: code size does not grow with depth. Weights are read and written once."""
import json
import struct
import sys
import unittest

from support import BOOKS, ROOT, TemporaryDirectoryTest, compile_model, make_llama, run, stc

sys.path.insert(0, str(ROOT / "benchmarks/gpu"))
import model as gpu_model  # noqa: E402


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


class WeightsOnTheirWay(TemporaryDirectoryTest):
    def test_compression_waits_for_packing(self):
        """What shows what is lost prunes and rounds first, and comes to the same file."""
        model = make_llama(self.tmp / "llama", hidden=72, ffn=136, dtype="BF16", heads=3, kv_heads=1)
        for source, options in (
                (BOOKS, ["--quantize", "int4-g64-asym", "--exclude", "layers.0.*"]),
                # Many codes of few bits are zero, so that rows alone do not decide.
                (BOOKS, ["--quantize", "int2-g32"]),
                # Columns and rows that are no multiple of anything.
                (model, ["--prune", "2:4", "--quantize", "int4-g32", "--exclude", "layers.0.*"]),
                (model, ["--prune", "4:16", "--quantize", "int4-g32"]),
                (model, ["--prune", "0.3", "--quantize", "int4-row"]),
                (model, ["--prune", "6:8", "--quantize", "int4-g32-asym"]),
                (model, ["--prune", "3:7", "--quantize", "int8-g32"]),
                (model, ["--prune", "block5x7:0.5", "--quantize", "int4-g32"]),
                (model, ["--prune", "block5x7:0.5"]),
                (model, ["--prune", "2:4"])):
            with self.subTest(options):
                later, alone, first = (self.tmp / name for name in ("later", "alone", "first"))
                result = stc("compile", source, "-o", later, *options)
                stc("compile", source, "-o", alone, "--threads", "1", "--quiet", *options)
                shown = stc("compile", source, "-o", first, "--verbose", *options).stderr
                self.assertEqual(b"relative error" in shown, "--quantize" in options)
                self.assertEqual(b"weights stay" in shown, "--prune" in options)
                self.assertNotRegex(result.stderr, rb"(quantize|prune):")
                self.assertEqual(later.read_bytes(), first.read_bytes())
                self.assertEqual(later.read_bytes(), alone.read_bytes())

    def zeros(self, shape, layers):
        """A checkpoint of that shape, of which the disk holds nothing."""
        folder = self.tmp / f"zeros{layers}"
        folder.mkdir()
        gpu_model.write_checkpoint(folder, shape, layers)
        return folder

    def weights_at(self, binary):
        """Where the table at a file's end says that weights start."""
        data = binary.read_bytes()
        name = data.rindex(b"weights".ljust(16, b"\0"))
        return struct.unpack_from("<Q", data, name + 16)[0]

    def test_code_has_room_in_front_of_many_weights(self):
        shape = (2048, 6, 16, 4, 8192, 512)
        for layers, in_place in ((2, False), (5, True)):
            with self.subTest(layers):
                # Pruned weights too, whose bytes are known before.
                model = compile_model(self.zeros(shape, layers), self.tmp / f"m{layers}", "--prune",
                                      "2:4" if layers == 5 else "none", "--quantize", "int4-g128",
                                      "--max-context", "64")
                room = (layers * (2 * 2048 * 2048 + 2 * 512 * 2048 + 3 * 8192 * 2048)
                        + 2 * 512 * 2048) // 32 >> 21 << 21
                self.assertGreater(room, 0)
                self.assertEqual(self.weights_at(model) == room, in_place)
                said = json.loads(run(model, "bench", "--prompt-tokens", "2", "--generate", "2",
                                      "--json").stdout)
                self.assertGreater(said["decode_tokens_per_second"], 0)
                self.assertEqual(list(self.tmp.glob("*.weights*")) + list(self.tmp.glob("*.linked*")),
                                 [])


if __name__ == "__main__":
    unittest.main()
