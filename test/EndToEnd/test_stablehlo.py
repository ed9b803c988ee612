"""Graphs of StableHLO as JAX prints them: what the programs compute, and what is refused."""
import struct
import json
import unittest

from stablehlo_block import Variant, model
from stablehlo_reference import VOCABULARY, Weights, reference
from support import BIN, TemporaryDirectoryTest, read_npy, run, stc

COUNT = 8


class StableHLO(TemporaryDirectoryTest):
    def check(self, variant, checkpoint=None, weights=None):
        """The program's logits, of fewer and of more tokens than the graph was written for."""
        weights = weights or Weights(3, variant.norm)
        path = self.tmp / "graph.mlir"
        path.write_text(model(weights, variant, COUNT, checkpoint))
        result = run(BIN / "stc", "compile", path, "-o", self.tmp / "program", "--verbose")
        self.assertNotIn(b"not raised", result.stderr)
        for tokens in ([3, 17, 25, 9, 30], [4, 1, 31, 0, 7, 7, 22, 11, 5, 16, 2, 29]):
            run(self.tmp / "program", "logits", "--tokens", ",".join(map(str, tokens)), "-o",
                self.tmp / "l.npy")
            got = read_npy(self.tmp / "l.npy")
            self.assertEqual((len(got), len(got[0])), (len(tokens), VOCABULARY))
            want = reference(weights, tokens, variant)
            largest = max(abs(x) for row in want for x in row)
            self.assertGreater(largest, 0.5)
            for row, wanted in zip(got, want):
                for x, y in zip(row, wanted):
                    self.assertAlmostEqual(x, y, delta=1e-3 * largest)

    def test_rotary_decoder(self):
        """RMS norms, angles by power of iota, repeated keys, iota masks, silu of a function."""
        self.check(Variant())

    def test_einsum_decoder(self):
        """Weights of three dimensions on the left, values on the left, jnp.take and jnp.tril."""
        self.check(Variant(attention="einsum", angles="whole", mask="tril", take="fill"))

    def test_grouped_decoder(self):
        """No batch, queries in groups, tables of angles, a mask that is a constant."""
        self.check(Variant(attention="groups", angles="table", batch=False, mask="constant"))

    def test_layer_norms(self):
        """jnp.var in functions, GELU by erfc, sliced places, tokens of 64 bits."""
        self.check(Variant(norm="layer", rotary=False, places="slice", activation="gelu_erfc",
                           integers="i64"))

    def test_generic_form(self):
        """Operations in generic form, GELU by tanh, places looked up."""
        self.check(Variant(norm="layer", rotary=False, places="take", activation="gelu_tanh",
                           generic=True))
        self.check(Variant(norm="layer", rotary=True, activation="gelu_erf", generic=True))

    def save(self, weights):
        """The weights as a file of safetensors."""
        header, data = {}, b""
        for name in weights.values:
            flat = weights[name]
            while isinstance(flat[0], list):
                flat = [x for row in flat for x in row]
            numbers = struct.pack(f"<{len(flat)}f", *flat)
            header[name] = {"dtype": "F32", "shape": weights.shape(name),
                            "data_offsets": [len(data), len(data) + len(numbers)]}
            data += numbers
        text = json.dumps(header).encode()
        (self.tmp / "params.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)

    def test_weights_of_a_checkpoint(self):
        """Arguments that name tensors of a checkpoint, [inputs, outputs] as JAX has them."""
        variant = Variant(arguments=True)
        weights = Weights(3)
        self.save(weights)
        self.check(variant, "params.safetensors", weights)
        # The same with names as locations.
        path = self.tmp / "graph.mlir"
        text = path.read_text()
        named = text.replace('{mhlo.sharding = "{replicated}", stc.source = "embed"}', 'loc("embed")')
        self.assertNotEqual(text, named)
        path.write_text(named)
        stc("compile", path, "-o", self.tmp / "program", "--quiet")

    # What is refused.

    def refused(self, text, expected, *options):
        path = self.tmp / "bad.mlir"
        path.write_text(text)
        result = run(BIN / "stc", "compile", path, "-o", self.tmp / "out", "--quiet", *options,
                     check=False)
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 1, error)
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("error: "), error)
        self.assertRegex(error, expected)
        self.assertFalse((self.tmp / "out").exists())

    def function(self, body, arguments="%x: tensor<4x8xf32>", result="tensor<4x8xf32>"):
        return f"func.func public @main({arguments}) -> {result} {{\n{body}\n}}\n"

    def test_operations_and_types(self):
        x = "tensor<4x8xf32>"
        ret = f"\n  return %y : {x}"
        for body, expected in (
                (f"  %y = stablehlo.foo %x : {x}" + ret, "line 2: expected operations of stablehlo "
                 r"that graphs of transformers have \(docs/Dialects/StableHLO.md\), got stablehlo.foo"),
                (f'  %y = "stablehlo.while"(%x) ({{}}, {{}}) : ({x}) -> {x}' + ret,
                 "line 2: .*got stablehlo.while"),
                (f"  %y = chlo.top_k(%x, k = 8) : {x} -> ({x}, {x})" + ret, "got chlo.top_k"),
                (f"  %y = stablehlo.custom_call @cublas$gemm(%x) : ({x}) -> {x}" + ret,
                 r"custom_call of mhlo.erf or Sharding, got one of cublas\$gemm"),
                ("  %z = stablehlo.convert %x : (tensor<4x8xf32>) -> tensor<4x8xf64>\n"
                 "  %y = stablehlo.convert %z : (tensor<4x8xf64>) -> tensor<4x8xf32>" + ret,
                 "line 2: expected elements of f32, .*got 'f64' in stablehlo.convert"),
                (f"  %y = stablehlo.add %x, %x : {x}\n  %z = stablehlo.add %x : {x}" + ret,
                 "line 3: "),
                (f"  %y = stablehlo.tanh %x : {x}" + ret, "got an argument of type"),
        ):
            self.refused(self.function(body), expected)
        dynamic = "tensor<?x8xf32>"
        self.refused(self.function(f"  %y = stablehlo.tanh %x : {dynamic}\n  return %y : {dynamic}",
                                   f"%x: {dynamic}", dynamic),
                     r"expected shapes of positive sizes that are known, got .*\?x8xf32")
        self.refused(self.function(f"  %y = func.call @main(%x) : ({x}) -> {x}\n"
                                   f"  %z = stablehlo.tanh %y : {x}\n  return %z : {x}"),
                     "do not call themselves")

    def test_graphs(self):
        """Graphs that are no model."""
        text = model(Weights(3), Variant(), COUNT)
        # A weight that is an argument without a checkpoint.
        self.refused(model(Weights(3), Variant(arguments=True), COUNT),
                     "line [0-9]+: expected .*weights are constants or tensors of the module's stc.checkpoint")
        self.save(Weights(3))
        missing = model(Weights(3), Variant(arguments=True), COUNT, "params.safetensors")
        self.refused(missing.replace('stc.source = "embed"', 'stc.source = "nothing"'), "nothing")
        self.refused(missing.replace('stc.source = "embed"', 'mhlo.other = "embed"'),
                     "expected the name of a tensor of the checkpoint for argument 0")
        # A result that is not the logits.
        head = text[text.index("    return %"):]
        name = head.split()[1]
        cut = f"tensor<1x{COUNT}x{VOCABULARY}xf32>"
        more = (f"    %last = stablehlo.slice {name} [0:1, {COUNT - 1}:{COUNT}, 0:{VOCABULARY}] : "
                f"({cut}) -> tensor<1x1x{VOCABULARY}xf32>\n    return %last : "
                f"tensor<1x1x{VOCABULARY}xf32>")
        changed = text.replace(head.split("\n")[0], more).replace(
            f"-> ({cut}", f"-> (tensor<1x1x{VOCABULARY}xf32>")
        self.refused(changed, "expected a part of a transformer .*tensor.extract_slice")

    def test_truncated(self):
        """No beginning of a graph is one."""
        text = model(Weights(3), Variant(), COUNT)
        lines = text.split("\n")
        for count in (1, 2, 40, len(lines) // 2, len(lines) - 6):
            self.refused("\n".join(lines[:count])[:-3], ".")


if __name__ == "__main__":
    unittest.main()
