"""Kernels of GPUs on this machine's processor (--target simt, and simt-mma with tensor cores) compute
what its own kernels do."""
import unittest

from simt_comparison import SimtTest
from support import BOOKS, compile_model, stc


class Simt(SimtTest):
    def test_floats(self):
        self.check(self.random())

    def test_odd_sizes(self):
        self.check(self.random(hidden=72, heads=3, kv_heads=1, ffn=200, vocab=301))

    def test_pruned_floats(self):
        self.check(self.random(), "--prune", "magnitude:0.5")

    def test_bf16(self):
        self.check_both(dtype="BF16")

    def test_f16(self):
        self.check(self.random(dtype="F16"))

    def test_f16_on_tensor_cores(self):
        # Both factors become sums of two bf16, of which the product of the small parts is left out:
        # off by 2^-17 + 2^-18 of a product where bf16 weights are by 2^-17.
        self.check(self.random(dtype="F16"), tolerance=4e-5, target="simt-mma")

    def test_int8(self):
        self.check_both("--quantize", "int8")

    def test_int4(self):
        self.check_both("--quantize", "int4-g32")

    def test_int4_asymmetric(self):
        self.check_both("--quantize", "int4-g32-asym")

    def test_int4_in_groups_of_16(self):
        self.check_both("--quantize", "int4-g16")

    def test_int3(self):
        self.check_both("--quantize", "int3-g128", hidden=128)

    def test_int2(self):
        # One code turns at the seventh of 65 tokens, and most later ones see its key and value.
        self.check_both("--quantize", "int2-g32", share=0.75)

    def test_two_of_four(self):
        self.check_both("--quantize", "int8", "--prune", "2:4")

    def test_two_of_four_by_sparse_products(self):
        self.check(self.random(hidden=128), "--quantize", "int4-g64", "--prune", "2:4", rounds=0.25,
                   target="simt-mma")

    def test_unstructured_bf16(self):
        model = self.random(hidden=128, ffn=192, dtype="BF16")
        text = compile_model(model, self.tmp / "tiled.mlir", "--emit=mlir:tiled", "--target",
                             "simt-mma", "--prune", "magnitude:0.5").read_text()
        self.assertRegex(text, r"matmul.*xbf16.*bitmap, bf16")
        self.check(model, "--prune", "magnitude:0.5", target="simt-mma")

    def test_four_of_eight_f16(self):
        # Both factors are sums of two bf16, as in test_f16_on_tensor_cores.
        self.check(self.random(hidden=128, ffn=192, dtype="F16"), "--prune", "4:8", tolerance=4e-5,
                   target="simt-mma")

    def test_two_of_four_floats(self):
        self.check(self.random(), "--prune", "2:4")

    def test_two_of_four_bf16_by_sparse_products(self):
        model = self.random(hidden=128, ffn=192, dtype="BF16")
        text = compile_model(model, self.tmp / "llvm.mlir", "--emit=mlir:llvm", "--target",
                             "simt-mma", "--prune", "2:4").read_text()
        self.assertIn("@stc_simt_mma_sparse_bf16", text)
        self.check(model, "--prune", "2:4", target="simt-mma")

    def test_tokens_in_pieces(self):
        """Two pieces of the tokens, of which the second is not whole."""
        options = ["--quantize", "int4-g128", "--prune", "2:4"]
        model = self.random(hidden=128, layers=1, context=160)
        text = compile_model(model, self.tmp / "tiled.mlir", "--emit=mlir:tiled", "--target",
                             "simt-mma", *options).read_text()
        self.assertIn("piece_tokens = 128", text)
        self.compile("simt-mma", model, *options, "--kv-cache", "f32")
        tokens = [1] + [(37 * i + 11) % 253 + 3 for i in range(149)]
        expected = self.rows("native", tokens, (150,))
        self.vocab = len(expected) // 150 // 4
        actual = self.rows("simt-mma", tokens, (150,))
        self.assert_close(actual, expected, 0.25)
        # Whatever blocks take the pieces, and whatever the order of their threads.
        self.assertEqual(self.rows("simt-mma", tokens, (150,), threads=5, order="7"), actual)

    def test_few_tokens_apart(self):
        """Calls of up to 64 tokens, and of more, have code of their own."""
        options = ["--quantize", "int8-g64"]
        model = self.random(hidden=64, ffn=8192, layers=1, context=160)
        text = compile_model(model, self.tmp / "tiled.mlir", "--emit=mlir:tiled", "--target",
                             "simt-mma", *options).read_text()
        self.assertIn("call @prefill_64(", text)
        self.assertIn("call @prefill_256(", text)
        self.compile("simt-mma", model, *options, "--kv-cache", "f32")
        lengths = (3, 64, 65, 1)
        tokens = [1] + [(37 * i + 11) % 253 + 3 for i in range(sum(lengths) - 1)]
        expected = self.rows("native", tokens, lengths)
        self.vocab = len(expected) // len(tokens) // 4
        actual = self.rows("simt-mma", tokens, lengths)
        self.assert_close(actual, expected, 0.25)
        self.assertEqual(self.rows("simt-mma", tokens, lengths, threads=5, order="7"), actual)

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
        self.assertIn("a GPU of NVIDIA's beside --emit=ptx", result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
