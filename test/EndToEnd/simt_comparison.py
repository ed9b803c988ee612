"""Whole models by kernels of GPUs on this machine's processor (--target simt), and by its own."""
import array
import ctypes
import os
import sys

from support import TemporaryDirectoryTest, compile_model, make_llama, run

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


class SimtTest(TemporaryDirectoryTest):
    def rows(self, target, tokens, lengths, threads=2, order="ascending", **environment):
        """The logits after every token, each piece of the text being read at once."""
        # A process of its own: a kernel whose threads cannot go on aborts.
        result = run(sys.executable, __file__, "client", self.tmp / target / "model", threads,
                     *pieces_of(tokens, lengths),
                     env={**os.environ, "STC_SIMT_ORDER": order, **environment}, timeout=900)
        return result.stdout

    def compile(self, other, model, *options):
        for target in ("native", other):
            (self.tmp / target).mkdir(exist_ok=True)
            compile_model(model, self.tmp / target / "model", "--emit=shared", "--target", target,
                          *options)

    def assert_close(self, actual, expected, rounds, tolerance=2e-5):
        """`rounds`: where activations or the cache are rounded, now and then the order of additions
        becomes a step of a code. The most rows that see one, as a share; they are not far off."""
        actual, expected = array.array("f", actual), array.array("f", expected)
        self.assertEqual(len(actual), len(expected))
        largest = max(map(abs, expected))
        worst = [max((abs(a - e) if a == a else float("inf"))
                     for a, e in zip(actual[at:at + self.vocab], expected[at:at + self.vocab]))
                 for at in range(0, len(expected), self.vocab)]
        far = [(row, error) for row, error in enumerate(worst) if error > tolerance * largest]
        self.assertLessEqual(len(far), rounds * len(worst), far)
        self.assertLess(max(worst), 5e-2 * largest, far)

    def check(self, model, *options, rounds=0, cache="f32", target="simt", vocab=256,
              tolerance=2e-5):
        """Rounding keys and values to fewer bits would magnify the order of additions."""
        self.compile(target, model, *options, "--kv-cache", cache)
        # 65: more than a piece of the cache, and no multiple of anything.
        tokens = [1] + [(37 * i + 11) % (vocab - 3) + 3 for i in range(64)]
        expected = self.rows("native", tokens, (65,))
        self.vocab = len(expected) // 65 // 4
        at_once = self.rows(target, tokens, (65,))
        self.assert_close(at_once, expected, rounds, tolerance)
        # Pieces of 7 and 56, and the decoding of single tokens at both ends.
        lengths = (1, 7, 56, 1)
        pieces = self.rows(target, tokens, lengths)
        self.assert_close(pieces, expected, rounds, tolerance)
        # Whatever the order in which threads run: everyone waits for what it needs.
        for order in ORDERS[1:]:
            self.assertEqual(self.rows(target, tokens, lengths, order=order), pieces)
        # And whatever the number of blocks, also with more of them than there is work.
        for threads in (1, 7):
            few = sum(lengths[:2])
            self.assert_close(self.rows(target, tokens, lengths[:2], threads=threads),
                              expected[:few * 4 * self.vocab], rounds, tolerance)

    def random(self, **config):
        return make_llama(self.tmp / "random", **config)

    def check_both(self, *options, share=0.25, **config):
        rounds = share if "--quantize" in options else 0
        for target in ("simt", "simt-mma"):
            with self.subTest(target):
                self.check(self.random(**config), *options, rounds=rounds, target=target)


if __name__ == "__main__":
    client(*sys.argv[2:])
