"""What a reader of compressed checkpoints refuses: one line that says what was expected."""
import struct
import unittest

from precompressed import Precompressed, floats, gptq, integers, library, packed, stream, words


class BadInput(Precompressed):
    def test_configurations(self):
        gptq_config = {"quant_method": "gptq", "bits": 4, "group_size": 128}
        groups = library("pack-quantized", 4, 128, True)
        weights = "quantization_config.config_groups.group_0.weights."
        cases = [
            ({"quant_method": "quip"}, "quant_method: expected gptq, awq, compressed-tensors, fp8"),
            ({**gptq_config, "bits": 5}, "quantization_config.bits: expected 2, 3, 4 or 8, got 5"),
            ({"quant_method": "gptq"}, "quantization_config.bits: expected an integer, got none"),
            ({**gptq_config, "group_size": 0}, "group_size: expected a size of 1 or more, or -1"),
            ({**gptq_config, "checkpoint_format": "marlin"}, "expected gptq or gptq_v2, got 'marlin'"),
            ({**gptq_config, "dynamic": [1]}, "dynamic: expected an object, got a list"),
            ({**gptq_config, "dynamic": {"x": 4}}, "dynamic.x: expected an object, got 4"),
            ({**gptq_config, "dynamic": {"+:x": {"bits": 5}}},
             "dynamic.+:x.bits: expected 2, 3, 4 or 8, got 5"),
            ({**gptq_config, "dynamic": {"x": {"group_size": 0}}},
             "dynamic.x.group_size: expected a size of 1 or more, or -1, got 0"),
            ({"quant_method": "awq", "version": "gemv_fast"},
             "version: expected gemm or gemv, got 'gemv_fast'"),
            ({"quant_method": "fp8", "fmt": "e3m4"}, "fmt: expected e4m3 or e5m2, got 'e3m4'"),
            ({"quant_method": "bitsandbytes"}, "load_in_8bit: expected true, there or in load_in_4bit"),
            ({**groups, "format": "marlin"}, "format: expected one of dense, pack-quantized"),
            (library("marlin-24", 4, 128, False), weights + "symmetric: expected symmetric codes"),
            (library("marlin-24", 3, 128, True), weights + "num_bits: expected 4 or 8, got 3"),
            (library("nvfp4-pack-quantized", 4, 64, True, kind="float"),
             weights + "group_size: expected 16 (NVFP4) or 32 (MXFP4) for 4-bit floats, got 64"),
            (library("nvfp4-pack-quantized", 6, 16, True, kind="float"),
             weights + "num_bits: expected 4 or 8, got 6"),
            ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"},
             "quant_algo: expected NVFP4 or FP8, got 'w4a8_awq'"),
            ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 32},
             "quantization_config.group_size: expected 16, got 32"),
            (library("pack-quantized", 9, 128, True), weights + "num_bits: expected 2, 3"),
            (library("pack-quantized", 4, 128, True, kind="fp"), weights + "type: expected int or"),
            (library("pack-quantized", 4, 128, True, strategy="token"), weights + "strategy"),
            ({**groups, "config_groups": []}, "config_groups: expected an object, got a list"),
            ({**groups, "transform_config": {"a": 1}}, "transform_config: expected no transforms"),
            ({**groups, "sparsity_config": {"format": "csr"}}, "sparsity_config.format: expected"),
            ([], "quantization_config: expected an object, got a list"),
        ]
        for quantization, part in cases:
            with self.subTest(part=part):
                folder = self.checkpoint("bad", {}, quantization or [1])
                self.assertRefused(folder, "config.json: ", part)

    def test_tensors(self):
        name = "model.layers.0.self_attn.q_proj"
        g128 = {"quant_method": "gptq", "bits": 4, "group_size": 128}

        def without(pack, suffix):
            def change(module, m):
                tensors = pack(module, m)
                if module == name:
                    del tensors[module + suffix]
                return tensors
            return change

        def with_(pack, suffix, tensor):
            def change(module, m):
                tensors = pack(module, m)
                if module == name:
                    tensors[module + suffix] = tensor
                return tensors
            return change

        awq_gemv = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemv"}

        def gemv(module, m):
            width = -(-m.groups // 8) * 8
            return {module + ".qweight": words([stream(row, 4) for row in m.codes]),
                    module + ".qzeros": words([stream(row + [0] * (width - m.groups), 4)
                                               for row in m.zeros]),
                    module + ".scales": floats("F16", (m.rows, width), [0.5] * m.rows * width)}

        symmetric = lambda module, m: packed(module, m, True)
        middle = lambda module, m: integers(module, m, False)
        columns = [0] * 127
        cases = [
            (without(gptq, ".scales"), g128, ".scales: expected the scales of 4-bit codes"),
            (without(gptq, ".qzeros"), g128, ".qzeros: expected the zeros"),
            (without(gptq, ".qweight"), g128, "q_proj.weight: expected shape [128, 128]"),
            (gptq, {**g128, "bits": 8}, ".qzeros: expected I32 [1, 32], got I32 [1, 16]"),
            (gptq, {**g128, "group_size": 32}, ".scales: expected F16, BF16 or F32 [4, 128]"),
            (gptq, {**g128, "bits": 3}, ".qweight: expected whole words of 3-bit codes"),
            (with_(gptq, ".g_idx", ("I32", (128,), struct.pack("<128i", *columns, 7))), g128,
             ".g_idx: expected groups from 0 to 0, got 7 for column 127"),
            (with_(gptq, ".g_idx", ("I32", (128,), struct.pack("<128i", *columns, -2))), g128,
             "got -2 for column 127"),
            (with_(gptq, ".g_idx", ("I32", (127,), struct.pack("<127i", *columns))), g128,
             ".g_idx: expected I32 [128], got I32 [127]"),
            (with_(gemv, ".scales", floats("F16", (128, 7), [1.0] * 896)), awq_gemv,
             ".scales: expected F16, BF16 or F32 [128, 8] or wider (4-bit codes in groups of 128 of "
             "128 columns), got F16 [128, 7]"),
            (with_(gemv, ".qzeros", ("I32", (128, 2), bytes(1024))), awq_gemv,
             ".qzeros: expected I32 [128, 1], got I32 [128, 2]"),
            (without(gemv, ".qzeros"), awq_gemv, ".qzeros: expected the zeros"),
            (with_(gemv, ".qweight", ("I32", (2048,), bytes(8192))), awq_gemv,
             ".qweight: expected I32 words of two dimensions"),
            (with_(gptq, ".scales", floats("F16", (1, 128), [float("inf")] * 128)), g128,
             ".scales: expected finite scales"),
            (with_(gptq, ".weight", floats("F32", (1,), [1.0])), g128, "expected no plain"),
            (with_(gptq, ".odd", floats("F32", (1,), [1.0])), g128, "q_proj.odd: expected only"),
            (symmetric, library("pack-quantized", 8, 128, True), "weight_packed: expected"),
            (symmetric, library("pack-quantized", 4, 128, False), "without zeros"),
            (without(symmetric, ".weight_shape"), library("pack-quantized", 4, 128, True),
             ".weight_shape: expected I64 or I32 [2]"),
            (with_(symmetric, ".weight_shape", ("I64", (2,), struct.pack("<2q", -1, 128))),
             library("pack-quantized", 4, 128, True), "expected rows and columns from 1 to"),
            (with_(middle, ".weight_zero_point", ("I8", (128, 1), b"\x7f" * 128)),
             library("int-quantized", 4, 128, False),
             "zero_point: expected whole numbers from -8 to 7 (4 bits), got 127"),
            (without(middle, ".weight_scale"), library("int-quantized", 4, 128, False),
             ".weight_scale: expected the scales"),
        ]
        for pack, quantization, part in cases:
            with self.subTest(part=part):
                compressed, _ = self.both(pack, self.matrix(4, 128, symmetric=pack is symmetric),
                                          quantization)
                # The importer misses a whole matrix, in the folder; all else is wrong in a file.
                is_whole = part.startswith("q_proj.weight: expected shape")
                file = "compressed" if is_whole else "model.safetensors"
                self.assertRefused(compressed, f"{file}: tensor {name}", part)


if __name__ == "__main__":
    unittest.main()
