"""Kernels of GPUs on this machine's processor (--target simt, and simt-mma with tensor cores) compute
what its own kernels do."""
import array
import ctypes
import os
import sys
import unittest

from alibi_families import SixHeadBloom
from family_base import VOCAB
from support import (BOOKS, SHARED, TemporaryDirectoryTest, compile_model, golden, make_llama,
                     needs_shared, run, stc)

ORDERS = ("ascending", "descending", "7")


class Library:
    """A model compiled with --emit=shared."""

    def __init__(self, path, threads):
        self.code = ctypes.CDLL(str(path) + ".so")
        self.code.model_open.restype = ctypes.c_void_p
        self.code.model_vocab_size.restype = ctypes.c_int64
        self.error = ctypes.create_string_buffer(512)
        handle = self.code.model_open(f"{path}.weights".encode(), threads, self.error, 512)
        assert handle, self.error.value
        self.model = ctypes.c_void_p(handle)
        self.vocab = self.code.model_vocab_size(self.model)

    def logits(self, tokens):
        """Appends tokens; the bytes of one row per token. A single one is decoded."""
        count = len(tokens)
        rows = (ctypes.c_float * (count * self.vocab))()
        status = self.code.model_logits(self.model, (ctypes.c_int32 * count)(*tokens),
                                        ctypes.c_int64(count), rows, int(count > 1), self.error,
                                        512)
        assert status == 0, self.error.value
        return bytes(rows)


def client(path, threads, *pieces):
    """Prints the rows of a text that is read in pieces: 3,1 are three tokens, then one."""
    library = Library(path, int(threads))
    for piece in pieces:
        sys.stdout.buffer.write(library.logits([int(t) for t in piece.split(",")]))


def pieces_of(tokens, lengths):
    at = 0
    for length in lengths:
        yield ",".join(map(str, tokens[at:at + length]))
        at += length


class Simt(TemporaryDirectoryTest):
    def rows(self, target, tokens, lengths, threads=2, order="ascending"):
        """The logits after every token, each piece of the text being read at once."""
        # A process of its own: a kernel whose threads cannot go on aborts.
        result = run(sys.executable, __file__, "client", self.tmp / target / "model", threads,
                     *pieces_of(tokens, lengths),
                     env={**os.environ, "STC_SIMT_ORDER": order}, timeout=900)
        return result.stdout

    def compile(self, other, model, *options):
        for target in ("native", other):
            (self.tmp / target).mkdir(exist_ok=True)
            compile_model(model, self.tmp / target / "model", "--emit=shared", "--target", target,
                          *options)

    def assert_close(self, actual, expected, rounds):
        """`rounds`: where activations or the cache are rounded, now and then the order of additions
        becomes a step of a code. The most rows that see one, as a share; they are not far off."""
        actual, expected = array.array("f", actual), array.array("f", expected)
        self.assertEqual(len(actual), len(expected))
        largest = max(map(abs, expected))
        worst = [max((abs(a - e) if a == a else float("inf"))
                     for a, e in zip(actual[at:at + self.vocab], expected[at:at + self.vocab]))
                 for at in range(0, len(expected), self.vocab)]
        far = [(row, error) for row, error in enumerate(worst) if error > 2e-5 * largest]
        self.assertLessEqual(len(far), rounds * len(worst), far)
        self.assertLess(max(worst), 5e-2 * largest, far)

    def check(self, model, *options, rounds=0, cache="f32", target="simt", vocab=256):
        """Rounding keys and values to fewer bits would magnify the order of additions."""
        self.compile(target, model, *options, "--kv-cache", cache)
        # 65: more than a piece of the cache, and no multiple of anything.
        tokens = [1] + [(37 * i + 11) % (vocab - 3) + 3 for i in range(64)]
        expected = self.rows("native", tokens, (65,))
        self.vocab = len(expected) // 65 // 4
        at_once = self.rows(target, tokens, (65,))
        self.assert_close(at_once, expected, rounds)
        # Pieces of 7 and 56, and the decoding of single tokens at both ends.
        lengths = (1, 7, 56, 1)
        pieces = self.rows(target, tokens, lengths)
        self.assert_close(pieces, expected, rounds)
        # Whatever the order in which threads run: everyone waits for what it needs.
        for order in ORDERS[1:]:
            self.assertEqual(self.rows(target, tokens, lengths, order=order), pieces)
        # And whatever the number of blocks, also with more of them than there is work.
        for threads in (1, 7):
            few = sum(lengths[:2])
            self.assert_close(self.rows(target, tokens, lengths[:2], threads=threads),
                              expected[:few * 4 * self.vocab], rounds)

    def random(self, **config):
        return make_llama(self.tmp / "random", **config)

    def test_floats(self):
        self.check(self.random())

    def test_odd_sizes(self):
        self.check(self.random(hidden=72, heads=3, kv_heads=1, ffn=200, vocab=301))

    def test_pruned_floats(self):
        self.check(self.random(), "--prune", "magnitude:0.5")

    def check_both(self, *options, share=0.25, **config):
        rounds = share if "--quantize" in options else 0
        for target in ("simt", "simt-mma"):
            with self.subTest(target):
                self.check(self.random(**config), *options, rounds=rounds, target=target)

    def test_bf16(self):
        self.check_both(dtype="BF16")

    def test_int8(self):
        self.check_both("--quantize", "int8")

    def test_int4(self):
        self.check_both("--quantize", "int4-g32")

    def test_int4_asymmetric(self):
        self.check_both("--quantize", "int4-g32-asym")

    def test_int3(self):
        self.check_both("--quantize", "int3-g128", hidden=128)

    def test_int2(self):
        # One code turns at the seventh of 65 tokens, and most later ones see its key and value.
        self.check_both("--quantize", "int2-g32", share=0.75)

    def test_two_of_four(self):
        self.check_both("--quantize", "int8", "--prune", "2:4")

    def test_two_of_four_int4(self):
        self.check_both("--quantize", "int4-g32", "--prune", "2:4")

    def test_eight_of_sixteen(self):
        self.check_both("--quantize", "int4-g32", "--prune", "8:16")

    def test_one_of_sixteen(self):
        self.check_both("--quantize", "int4-g64", "--prune", "1:16")

    def test_unstructured_int4(self):
        self.check_both("--quantize", "int4-g32", "--prune", "magnitude:0.5")

    def test_blocks_int4(self):
        self.check_both("--quantize", "int4-g32", "--prune", "block16x4:0.5")

    def test_four_of_sixteen(self):
        self.check_both("--quantize", "int4-g32", "--prune", "4:16")

    def test_unstructured(self):
        self.check_both("--quantize", "int8", "--prune", "magnitude:0.5")

    def test_blocks(self):
        self.check_both("--quantize", "int8", "--prune", "block16x4:0.5")

    def test_single_tokens(self):
        """Layouts that are read differently for one token, and for many as others are."""
        for quantize, prune in (("int4-g32", "2:4"), ("int4-g32", "8:16"), ("int4-g64", "1:16"),
                                ("int4-g32", "magnitude:0.5"), ("int4-g32", "block16x4:0.5")):
            with self.subTest(prune):
                self.check(self.random(), "--quantize", quantize, "--prune", prune, rounds=True)

    def test_caches(self):
        # With codes of 8 bits, the processor's kernels round the softmax's weights too.
        for cache, rounds in (("f16", 0.25), ("int8", 1)):
            with self.subTest(cache):
                self.check(self.random(), rounds=rounds, cache=cache)

    def test_slopes(self):
        """Scores with slopes, of heads that are no power of two."""
        family = SixHeadBloom(seq_length=128)
        self.check(family.write(self.tmp / "bloom", family.tensors()), vocab=VOCAB)

    @needs_shared
    def test_families(self):
        for name in ("tiny-llama", "tiny-qwen2", "tiny-gpt2", "tiny-mixtral"):
            with self.subTest(name):
                self.check(SHARED / "models" / name)

    @needs_shared
    def test_golden_text(self):
        g = golden("stories260k")
        model = compile_model(SHARED / "models" / "stories260k", self.tmp / "m", "--target", "simt")
        prompt = g["prompt_tokens"]
        result = run(model, "run", "--tokens", ",".join(map(str, prompt)), "-n", 40,
                     "--temperature", "0", "--ignore-eos", "--print-tokens", "--quiet",
                     "--threads", "2", timeout=900)
        self.assertEqual([int(t) for t in result.stdout.split()],
                         g["greedy_tokens"][len(prompt):][:40])

    def test_books_with_groups(self):
        for target in ("simt", "simt-mma"):
            with self.subTest(target):
                self.check(BOOKS, "--quantize", "int4-g32", rounds=0.5, vocab=2048, target=target)

    def test_stands_alone(self):
        for targets in ("simt,native", "native,simt", "simt,simt", "nvptx-sm_90,simt"):
            result = stc("compile", BOOKS, "-o", self.tmp / "m", "--target", targets, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.decode(), "error: --target: expected no other beside "
                             f"simt, got {targets}\n")

    def test_text_is_of_this_processor(self):
        text = compile_model(BOOKS, self.tmp / "m.s", "--emit=asm", "--target", "simt").read_text()
        self.assertIn("stc_simt_run_block", text)
        result = stc("compile", BOOKS, "--emit=ptx", "-o", self.tmp / "m.ptx", "--target", "simt",
                     check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("a GPU beside --emit=ptx", result.stderr.decode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(*sys.argv[2:])
    else:
        unittest.main()
