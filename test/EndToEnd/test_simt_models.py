"""What models have beside layouts, by kernels of GPUs on this machine's processor: families, caches,
single tokens, and codes that checkpoints store."""
import random
import unittest

import test_gguf_codes
from alibi_families import SixHeadBloom
from family_base import VOCAB
from norm_families import CoherePlus, Olmo, StableLm2
from precompressed import ordered_llama
from simt_comparison import ORDERS, SimtTest
from support import BOOKS, SHARED, compile_model, golden, needs_shared, run


class SimtModels(SimtTest):
    def test_minimums(self):
        for name, target in (("Q4_K", "simt-mma"), ("Q2_K", "simt")):
            with self.subTest(name=name, target=target):
                model, _ = test_gguf_codes.write_both(self.tmp, test_gguf_codes.TYPES[name][0],
                                                      random.Random(5))
                self.check(model, rounds=0.25, target=target, vocab=64)

    def test_activation_order(self):
        """Activations are quantized in another order than they were computed in. In one layer a code
        that turns is seen by its own row alone."""
        for target in ("simt", "simt-mma"):
            with self.subTest(target):
                self.check(ordered_llama(self.tmp / "ordered", layers=1), rounds=0.25, target=target)

    def test_single_tokens(self):
        """Layouts that are read differently for one token, and for many as others are."""
        for quantize, prune in (("int4-g32", "2:4"), ("int4-g32", "8:16"), ("int4-g64", "1:16"),
                                ("int4-g32", "magnitude:0.5"), ("int4-g32", "block16x4:0.5")):
            with self.subTest(prune):
                self.check(self.random(), "--quantize", quantize, "--prune", prune, rounds=True)

    def test_caches(self):
        # With codes of 8 bits, the processor's kernels round the softmax's weights too.
        for target in ("simt", "simt-mma"):
            for cache, rounds in (("f16", 0.25), ("fp8", 1), ("int8", 1)):
                with self.subTest(target=target, cache=cache):
                    self.check(self.random(), rounds=rounds, cache=cache, target=target)

    def test_pieces_of_the_cache(self):
        """One token's attention in pieces, the last of which has the newest key: every block puts them
        together, and quantizes what they give."""
        lengths = (256, 1, 60, 1)
        tokens = [1] + [(37 * i + 11) % 253 + 3 for i in range(sum(lengths) - 1)]
        for target, options in (("simt", []), ("simt-mma", ["--quantize", "int8-g32"])):
            with self.subTest(target):
                self.compile(target, self.random(layers=1, context=512), *options)
                expected = self.rows("native", tokens, lengths)
                self.vocab = len(expected) // len(tokens) // 4
                rows = self.rows(target, tokens, lengths)
                self.assert_close(rows, expected, 1, 4e-3)
                for order in ORDERS[1:]:
                    self.assertEqual(self.rows(target, tokens, lengths, order=order), rows)

    def test_slopes(self):
        """Scores with slopes, of heads that are no power of two."""
        family = SixHeadBloom(seq_length=128)
        self.check(family.write(self.tmp / "bloom", family.tensors()), vocab=VOCAB)

    def test_norms_of_heads(self):
        """Gains of every head, and clipped projections."""
        for make in (CoherePlus, Olmo, StableLm2):
            with self.subTest(make.__name__):
                family = make(max_position_embeddings=128)
                self.check(family.write(self.tmp / make.__name__, family.tensors()), vocab=VOCAB)

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


if __name__ == "__main__":
    unittest.main()
