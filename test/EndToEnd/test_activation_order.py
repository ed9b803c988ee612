"""Checkpoints whose columns are in the order in which a quantizer took them (GPTQ's desc_act,
compressed-tensors' actorder): their codes are kept, sorted by group, and activations follow."""
import json
import re
import struct
import unittest

from precompressed import (TOKENS, OrderedMatrix, Precompressed, gptq, library,
                           ordered_llama, packed)
from mixtures import flat, make_mixture, shape
from support import compile_model, run, stc, write_safetensors
from test_export import read_safetensors, unpack_words

KEPT = "--stc-to-compressed=keep-codes=true"
DESC_ACT = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True, "sym": False}


class ActivationOrder(Precompressed):
    def make(self, orders=None, bits=4, group=32, **options):
        """Matrices in order; `orders`: by shape, for those that share one."""
        def make(shape):
            order = orders.get(shape[1]) if orders else None
            return OrderedMatrix(shape, bits, group, self.generator, order=order, **options)
        return make

    def shared(self):
        """One order for matrices of 128 columns and one for those of 256."""
        orders = {}
        for columns in (128, 256):
            orders[columns] = [column % (columns // 32) for column in range(columns)]
            self.generator.shuffle(orders[columns])
        return orders

    def text(self, model, phase="compressed", *options):
        stc("compile", model, f"--emit=mlir:{phase}", "-o", self.tmp / "text.mlir", "--quiet",
            *options)
        return (self.tmp / "text.mlir").read_text()

    def reasons(self):
        report = json.loads(stc("inspect", self.tmp / "program", "--json").stdout)
        return {record["name"]: record["reason"] for record in report["layers"]}

    def program_logits(self, program):
        run(program, "logits", "--tokens", TOKENS, "-o", self.tmp / "logits.npy")
        return struct.unpack("<64f", (self.tmp / "logits.npy").read_bytes()[-256:])

    def assert_close(self, got, want, share):
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.01)
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)), share * largest)

    def test_codes_are_kept(self):
        for bits, group, layout in ((4, 32, "dense-int4-g32-asym"), (8, 64, "dense-int8-g64-asym"),
                                    (3, 128, "dense-int3-g128-asym")):
            with self.subTest(bits=bits, group=group):
                self.check(gptq, self.make(bits=bits, group=group),
                           {**DESC_ACT, "bits": bits, "group_size": group},
                           layout if group < 128 else None)
        self.assertIn("dense-int8-g64-asym, columns sorted by group\n", self.messages)
        self.assertNotIn("warning", self.messages)

    def test_inspect_says_so(self):
        compressed, _ = self.both(gptq, self.make(), DESC_ACT)
        self.layouts(compressed)
        self.assertIn("note: the checkpoint's codes of 7 matrices are kept: dense-int4-g32-asym, "
                      "columns sorted by group\n", self.messages)
        reasons = self.reasons()
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            self.assertIn("columns sorted by group", reasons[f"layers.0.{name}"])
        self.assertNotIn("sorted", reasons["lm_head"])

    def test_compressed_tensors(self):
        self.check(lambda name, m: packed(name, m, True), self.make(symmetric=True),
                   library("pack-quantized", 4, 32, True, actorder="group"), "dense-int4-g32")

    def test_equal_orders_share_one_gather(self):
        """q, k and v; gate and up; o: down's goes into the rows of gate and up."""
        compressed, _ = self.both(gptq, self.make(self.shared()), DESC_ACT)
        text = self.text(compressed)
        self.assertEqual(text.count("stc.permute_features"), 3)
        self.assertEqual(sorted(re.findall(r"stc.weight @(\S+) .*row_order = ", text)),
                         ["layers.0.gate", "layers.0.up"])
        self.assertEqual(len(re.findall("column_order = ", text)), 7)
        # Quantization reads columns in any order: no operation is left.
        text = self.text(compressed, "packed")
        self.assertNotIn("permute_features", text)
        self.assertEqual(len(re.findall(r"packed.quantize_activations .*order\(", text)) % 3, 0)
        compressed, _ = self.both(gptq, self.make(), DESC_ACT)
        self.assertEqual(self.text(compressed).count("stc.permute_features"), 6)

    def test_program_computes_with_the_codes(self):
        for orders in (None, self.shared()):
            compressed, values = self.both(gptq, self.make(orders), DESC_ACT)
            program = compile_model(compressed, self.tmp / "program")
            floats = compile_model(values, self.tmp / "floats")
            want = self.program_logits(floats)
            self.assert_close(self.program_logits(program), want, 0.05)  # activations are int8
            compile_model(compressed, program, "--quantize", "none")
            self.assert_close(self.program_logits(program), want, 1e-5)

    def test_program_and_interpreter(self):
        """Of the packed module, whose activations are rounded too."""
        compressed, _ = self.both(gptq, self.make(self.shared()), DESC_ACT)
        for prune in (None, "2:4", "0.5"):
            with self.subTest(prune=prune):
                options, passes = (), "keep-codes=true"
                if prune:
                    options, passes = ("--prune", prune), f"prune={prune} {passes}"
                program = compile_model(compressed, self.tmp / "program", "--kv-cache", "f32",
                                        *options)
                want = self.logits(compressed, f"--stc-to-packed={passes}")
                numbers = re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", want)[-64:]
                self.assert_close(self.program_logits(program), list(map(float, numbers)), 1e-4)
        reasons = self.reasons()
        self.assertIn("columns sorted by group", reasons["layers.0.down"])

    def test_pruned_patterns_are_of_sorted_columns(self):
        compressed, _ = self.both(gptq, self.make(symmetric=True), DESC_ACT)
        self.assertEqual(set(self.layouts(compressed, "--prune", "2:4").values()), {"2:4-int4-g32"})

    def test_what_is_compressed_again_has_no_order(self):
        compressed, values = self.both(gptq, self.make(), DESC_ACT)
        for options in (("--quantize", "none"), ("--quantize", "int8")):
            self.assertNotIn("permute_features", self.text(compressed, "compressed", *options))
        # A part of them.
        text = self.text(compressed, "compressed", "--quantize", "int8", "--exclude", "*.down",
                         "--exclude", "*.o")
        self.assertEqual(text.count("column_order = "), 2)
        self.assertEqual(text.count("row_order = "), 0)  # gate and up have codes of their own
        self.assertEqual(text.count("stc.permute_features"), 2)

    def test_output_projection_moves_into_values(self):
        """Where every head keeps its columns, and heads that share values agree."""
        def model(*within):
            """Two heads of 64 columns with two groups each and the same values."""
            order = [2 * head + within[head](column) for head in range(2) for column in range(64)]
            return ordered_llama(self.tmp / "model", layers=1, heads=2, kv_heads=1,
                                 output_order=order)
        odd, second = lambda column: column % 2, lambda column: column // 2 % 2
        for heads, rows, gathers in (((odd, odd), {"v", "gate", "up"}, 2),
                                     ((odd, second), {"gate", "up"}, 3)):
            with self.subTest(gathers=gathers):
                folder = model(*heads)
                text = self.text(folder)
                self.assertEqual({name.rpartition(".")[2] for name in
                                  re.findall(r"stc.weight @(\S+) .*row_order = ", text)}, rows)
                self.assertEqual(text.count("stc.permute_features"), gathers)
                self.assertEqual(self.logits(folder, KEPT), self.logits(folder, "--stc-to-graph"))

    def mixture(self, folder, order_of):
        """A mixture whose experts are in order, and the same values as F32. `order_of(name)`: the
        group of each column of gate (w1), down (w2) or up (w3) of an expert, None for any."""
        config, weights = make_mixture("mixtral", hidden=128, size=64, layers=2)
        compressed, values = {}, {}
        for name, value in weights.items():
            values[name] = ("F32", shape(value), struct.pack(f"<{len(flat(value))}f", *flat(value)))
            compressed[name] = values[name]
            if ".experts." not in name:
                continue
            matrix = OrderedMatrix(shape(value), 4, 32, self.generator, order=order_of(name))
            del compressed[name]
            compressed.update(gptq(name[:-len(".weight")], matrix))
            numbers = [number for row in matrix.values() for number in row]
            values[name] = ("F32", shape(value), struct.pack(f"<{len(numbers)}f", *numbers))
        quantization = {**DESC_ACT, "modules_to_not_convert": ["self_attn", "gate"]}
        for kind, tensors, more in (("compressed", compressed,
                                     {"quantization_config": quantization}),
                                    ("values", values, {})):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            write_safetensors(folder / kind / "model.safetensors", tensors)
            (folder / kind / "config.json").write_text(json.dumps({**config, **more}))
        return folder / "compressed", folder / "values"

    def test_experts_have_orders_of_their_own(self):
        """Down's goes into the rows of gate and up, which their gathers do not move."""
        shared = self.shared()[128]
        for name, order_of, gathers in (
                ("own", lambda name: None, 8),  # one for gate and one for up
                ("shared", lambda name: None if ".w2." in name else shared, 4)):
            with self.subTest(orders=name):
                compressed, values = self.mixture(self.tmp / name, order_of)
                want = self.logits(values, "--stc-to-graph")
                self.assertEqual(self.logits(compressed, KEPT), want)
                text = self.text(compressed)
                self.assertEqual(len(re.findall("column_order = ", text)), 2 * 4 * 3)
                self.assertEqual(len(re.findall("row_order = ", text)), 2 * 4 * 2)
                self.assertEqual(text.count("stc.permute_features"), 2 * gathers)
                program = compile_model(compressed, self.tmp / "program", "--quantize", "none")
                floats = compile_model(values, self.tmp / "floats")
                for tokens in (TOKENS, "9,3"):
                    logits = []
                    for each in (program, floats):
                        run(each, "logits", "--tokens", tokens, "-o", self.tmp / "logits.npy")
                        logits.append(struct.unpack(
                            "<48f", (self.tmp / "logits.npy").read_bytes()[-192:]))
                    self.assert_close(logits[0], logits[1], 1e-5)
                compile_model(compressed, program)
                report = json.loads(stc("inspect", program, "--json").stdout)
                self.assertEqual({record["layout"] for record in report["layers"]
                                  if ".experts." in record["name"] and
                                  not record["name"].endswith("_order")}, {"dense-int4-g32-asym"})

    def test_layers_share_code(self):
        model = ordered_llama(self.tmp / "model", layers=3)
        text = self.text(model, "packed")
        self.assertIn("stc.repeat", text)
        self.assertEqual(text.count("func.func private @decode"), 1)
        # An order is data of its layer.
        self.assertEqual(len(re.findall(r"packed.weight @layers\.\d\.\w+_order ", text)), 9)
        want = self.logits(model, "--stc-to-graph")
        self.assertEqual(self.logits(model, KEPT), want)

    def test_export_has_the_original_order(self):
        m, originals = self.make(self.shared()), {}

        def pack(name, matrix):
            originals[name] = matrix
            return gptq(name, matrix)
        compressed, _ = self.both(pack, m, DESC_ACT)
        for name, source in (("first", compressed), ("second", self.tmp / "first")):
            stc("compile", source, "--emit=safetensors", "-o", self.tmp / name, "--quiet")
        tensors = read_safetensors(self.tmp / "first" / "model.safetensors")
        for name, matrix in originals.items():
            order = struct.unpack(f"<{matrix.columns}i", tensors[name + ".weight_g_idx"][2])
            self.assertEqual(list(order), matrix.order)
            width = matrix.columns // 8
            words = struct.unpack(f"<{matrix.rows * width}I", tensors[name + ".weight_packed"][2])
            for row in (0, 1, matrix.rows - 1):
                codes = unpack_words(words[row * width:(row + 1) * width], matrix.columns, 4)
                self.assertEqual([code + 8 for code in codes], matrix.codes[row])
        config = json.loads((self.tmp / "first" / "config.json").read_text())
        group, = config["quantization_config"]["config_groups"].values()
        self.assertEqual(group["weights"]["actorder"], "group")
        self.assertEqual(read_safetensors(self.tmp / "second" / "model.safetensors"), tensors)
        want = self.logits(compressed, "--stc-to-graph")
        self.assertEqual(self.logits(self.tmp / "first", "--stc-to-graph"), want)
        # GGUF has no orders: rounded there, with a warning.
        result = stc("compile", compressed, "--emit=gguf", "-o", self.tmp / "m.gguf")
        self.assertIn(b"groups of columns that are not beside each other", result.stderr)

    def test_unequal_groups_are_rounded(self):
        """No order makes whole groups of them."""
        def make(shape):
            matrix = OrderedMatrix(shape, 4, 32, self.generator)
            matrix.order = [0] * 33 + [1] * 31 + matrix.order[64:]
            return matrix
        compressed, values = self.both(gptq, make, DESC_ACT)
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))
        self.assertEqual(set(self.layouts(compressed).values()), {"dense-int8-g32"})
        self.assertIn("groups of columns that are not beside each other", self.messages)


if __name__ == "__main__":
    unittest.main()
