"""Encoder-decoders compute what their published definitions say, from all containers, and pruned and
quantized as the interpreter does; what they cannot do is one clear line."""
import unittest

from family_base import VOCAB
from seq2seq import SEQ2SEQ, FlanT5, T5
from support import (TemporaryDirectoryTest, compile_model, interpret_logits, read_npy, run, stc)

READ = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2, 18, 33, 34, 50, 51, 12, 1]
WRITTEN = [0, 8, 44, 23, 6, 19, 30]
CONTINUED = 6


def ids(tokens):
    return ",".join(map(str, tokens))


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


class Seq2Seq(TemporaryDirectoryTest):
    def logits(self, binary):
        run(binary, "logits", "--tokens", ids(READ), "--decoder-tokens", ids(WRITTEN), "-o",
            self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def check(self, path, want, *options):
        binary = compile_model(path, self.tmp / "model", *options)
        rows = self.logits(binary)
        self.assertEqual(len(rows), len(want))
        self.assertLess(max(abs(a - b) for row, expected in zip(rows, want)
                            for a, b in zip(row, expected)), 1e-3)
        return binary

    def check_family(self, make):
        family = make()
        tensors = family.tensors()
        want = family.forward(tensors, READ, WRITTEN)
        self.assertGreater(max(abs(x) for x in want[-1]), 0.5)
        # What the encoder reads changes what the decoder says.
        other = family.forward(tensors, READ[:-1], WRITTEN)
        self.assertGreater(max(abs(a - b) for a, b in zip(want[-1], other[-1])), 1e-2)
        directory = family.write(self.tmp / "hf", tensors)
        binary = self.check(directory, want)
        self.check_generation(family, tensors, binary)
        self.check(family.write_sharded(self.tmp / "sharded", tensors), want)
        if family.gguf:
            self.check(family.write_gguf(self.tmp / "model.gguf", tensors), want)
        self.check_compressed(directory)

    def check_generation(self, family, tensors, binary):
        written = [0]
        for _ in range(CONTINUED):
            written.append(argmax(family.forward(tensors, READ, written)[-1]))
        text = run(binary, "run", "--tokens", ids(READ), "-n", CONTINUED, "--temperature", "0",
                   "--ignore-eos", "--print-tokens", "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], written[1:])
        text = run(binary, "run", "--tokens", ids(READ), "--decoder-tokens", ids(written[:3]), "-n",
                   CONTINUED - 2, "--temperature", "0", "--ignore-eos", "--print-tokens",
                   "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], written[3:])

    def check_compressed(self, directory):
        binary = compile_model(directory, self.tmp / "compressed", "--prune", "magnitude:2:4",
                               "--quantize", "int8-g32")
        got = self.logits(binary)[-1]
        want = interpret_logits(directory, self.tmp / "import.mlir", "magnitude:2:4", "int8-g32",
                                WRITTEN, encoder_tokens=READ)
        self.assertEqual(len(got), len(want))
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        # A code of an activation that falls on the other side of a half makes a step.
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, 2e-2)

    def test_simulated_gpu(self):
        family = FlanT5()
        tensors = family.tensors()
        directory = family.write(self.tmp / "hf", tensors)
        binary = self.check(directory, family.forward(tensors, READ, WRITTEN), "--target", "simt")
        self.check_generation(family, tensors, binary)

    def test_copies_of_the_table(self):
        """Checkpoints store what the stacks share more than once."""
        family = T5()
        tensors = family.tensors()
        want = family.forward(tensors, READ, WRITTEN)
        for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"):
            tensors[name] = tensors["shared.weight"]
        name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        tensors[name] = [[1.0] * 4] * 8
        self.check(family.write(self.tmp / "hf", tensors), want)

    def test_caches(self):
        """Keys and values of few bits, of both stacks."""
        family = FlanT5()
        tensors = family.tensors()
        directory = family.write(self.tmp / "hf", tensors)
        want = family.forward(tensors, READ, WRITTEN)
        for cache, tolerance in (("f16", 1e-2), ("int8", 0.2)):
            binary = compile_model(directory, self.tmp / cache, "--kv-cache", cache)
            rows = self.logits(binary)
            worst = max(abs(a - b) for row, expected in zip(rows, want)
                        for a, b in zip(row, expected))
            self.assertLess(worst, tolerance)


class Refusals(TemporaryDirectoryTest):
    def compiled(self):
        family = T5()
        return compile_model(family.write(self.tmp / "hf", family.tensors()), self.tmp / "model")

    def refuse(self, *arguments):
        result = run(*arguments, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("error: "), lines)
        return lines[0]

    def test_commands(self):
        binary = self.compiled()
        offers = "one of kind encoder-decoder (it offers run, serve, logits, tokenize, eval, bench and info)"
        self.assertIn("expected a decoder, which continues texts, got " + offers,
                      self.refuse(binary, "run", "--chat"))
        out = ("-o", self.tmp / "l.npy")
        self.assertIn("prompt: expected 1 to 64 tokens",
                      self.refuse(binary, "logits", "--tokens", ids([1] * 65), *out))
        self.assertIn(f"token 1: expected an id from 0 to {VOCAB - 1}, got {VOCAB}",
                      self.refuse(binary, "logits", "--tokens", ids([1, VOCAB]), *out))
        self.assertIn(f"token 0: expected an id from 0 to {VOCAB - 1}, got {VOCAB}",
                      self.refuse(binary, "logits", "--tokens", "1", "--decoder-tokens", VOCAB, *out))
        self.assertFalse((self.tmp / "l.npy").exists())

    def test_options(self):
        family = T5()
        model = family.write(self.tmp / "hf", family.tensors())
        for options, message in (
                (("--prune", "wanda:0.5"), "--prune: expected --calibrate TEXT beside wanda"),
                (("--prune-heads", "0.5"), "--prune-heads")):
            result = stc("compile", model, "-o", self.tmp / "m", "--quiet", *options, check=False)
            self.assertEqual(result.returncode, 1, options)
            lines = result.stderr.decode().strip().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(message, lines[0])
            self.assertFalse((self.tmp / "m").exists())

    def test_configurations(self):
        for changes, message in (
                ({"relative_attention_num_buckets": 7},
                 "relative_attention_num_buckets: expected an even number from 4"),
                ({"relative_attention_max_distance": 8},
                 "relative_attention_max_distance: expected more than"),
                ({"feed_forward_proj": "gated-tanh"},
                 "feed_forward_proj: expected relu, gelu, silu, gated-gelu or gated-silu, got "
                 "'gated-tanh'"),
                ({"num_layers": None}, "num_layers: expected an integer, got none"),
                ({"num_layers": 0, "num_decoder_layers": 2}, "num_layers: expected a size"),
                ({"num_decoder_layers": 0}, "num_decoder_layers: expected a size from 1"),
                ({"decoder_start_token_id": VOCAB},
                 "decoder_start_token_id: expected a token id from 0 to")):
            family = T5(**changes)
            family.config.update(changes)
            model = family.write(self.tmp / "bad", T5().tensors())
            line = self.refuse_compile(model)
            self.assertIn(message, line)

    def refuse_compile(self, model):
        result = stc("compile", model, "-o", self.tmp / "m", check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse((self.tmp / "m").exists())
        return lines[0]

    def test_tensors(self):
        family = T5()
        tensors = family.tensors()
        name = "decoder.block.2.layer.1.EncDecAttention.k.weight"
        rows = tensors.pop(name)
        self.assertIn(f"tensor {name}: expected shape [48, 32], got no such tensor",
                      self.refuse_compile(family.write(self.tmp / "bad", tensors)))
        tensors[name] = rows
        tensors["decoder.block.3.layer.0.layer_norm.weight"] = [1.0] * 32
        self.assertIn("expected only tensors of t5, got an unknown one of shape [32]",
                      self.refuse_compile(family.write(self.tmp / "bad", tensors)))


def add_test(make):
    setattr(Seq2Seq, f"test_{make.__name__}", lambda self: self.check_family(make))


for _make in SEQ2SEQ:
    add_test(_make)


if __name__ == "__main__":
    unittest.main()
