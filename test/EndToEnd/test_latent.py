"""Latent attention and experts in groups: what contradicts itself, weights as DeepSeek publishes
them, and compression that is told what it sees."""
import random
import re
import struct
import unittest

from family_base import HIDDEN, VOCAB, flatten, shape_of, write_gguf
from latent_families import DeepSeekV2, DeepSeekV3, Dots1, Ernie45Moe, Glm4Moe, NewDeepSeekV3
from support import BIN, RefusalTest, compile_model, read_npy, run, stc, write_safetensors
from test_small_floats import float8

TOKENS = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20]


def floats32(shape, values):
    return ("F32", shape, struct.pack(f"<{len(values)}f", *values))


class Latent(RefusalTest):
    def logits(self, model, *options):
        binary = compile_model(model, self.tmp / "model", *options)
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def assert_close(self, rows, want, tolerance=1e-3):
        self.assertEqual(len(rows), len(want))
        self.assertLess(max(abs(a - b) for row, expected in zip(rows, want)
                            for a, b in zip(row, expected)), tolerance)

    def test_blocks_of_float8(self):
        """Every projection but the router, in blocks of 8 x 8 with a scale; heads are cut across
        them."""
        family = DeepSeekV3(quantization_config={"quant_method": "fp8", "fmt": "e4m3",
                                                 "weight_block_size": [8, 8]})
        tensors = family.tensors()
        directory = family.write(self.tmp / "fp8", tensors)
        generator, stored = random.Random(3), {}
        for name, value in tensors.items():
            size = shape_of(value)
            if not name.endswith("_proj.weight") and "proj_with_mqa" not in name:
                stored[name] = floats32(size, flatten(value))
                continue
            blocks = [-(-n // 8) for n in size]
            bits = [[generator.randrange(0x28, 0x50) | 128 * generator.randrange(2)
                     for _ in range(size[1])] for _ in range(size[0])]
            scales = [[2.0 ** -generator.randrange(3, 6) for _ in range(blocks[1])]
                      for _ in range(blocks[0])]
            tensors[name] = [[float8(b) * scales[r // 8][c // 8] for c, b in enumerate(row)]
                             for r, row in enumerate(bits)]
            stored[name] = ("F8_E4M3", size, bytes(sum(bits, [])))
            stored[name + "_scale_inv"] = floats32(blocks, sum(scales, []))
        write_safetensors(directory / "model.safetensors", stored)
        want = family.forward(tensors, TOKENS)
        self.assertGreater(max(map(abs, want[-1])), 0.5)
        self.assert_close(self.logits(directory), want)

    def test_kernels_of_gpus(self):
        """Groups are compared, and heads put together, by the kernels too."""
        tensors = DeepSeekV3().tensors()
        model = DeepSeekV3().write(self.tmp / "v3", tensors)
        self.assert_close(self.logits(model, "--target", "simt"),
                          DeepSeekV3().forward(tensors, TOKENS))

    def test_layers_that_predict_further_tokens(self):
        """One more layer than the model has, as DeepSeek-V3 comes; without the key it is unknown."""
        family = DeepSeekV3(num_nextn_predict_layers=1)
        tensors = family.tensors()
        want = family.forward(tensors, TOKENS)
        tensors["model.layers.2.enorm.weight"] = [1.0] * HIDDEN
        self.assert_close(self.logits(family.write(self.tmp / "more", tensors)), want)
        del family.config["num_nextn_predict_layers"]
        self.assertIn("tensor model.layers.2.enorm.weight: expected only tensors of deepseek_v3",
                      self.error(family, tensors))

    def test_calibrated(self):
        """Channel scales go into the norms of both shorter vectors."""
        generator = random.Random(7)
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(generator.randrange(VOCAB)) for _ in range(16 * 32)))
        for make in (DeepSeekV3, DeepSeekV2):
            with self.subTest(family=make.__name__):
                tensors = make().tensors()
                model = make().write(self.tmp / make.__name__, tensors)
                whole = make().forward(tensors, TOKENS)[-1]
                result = run(BIN / "stc-opt", "/dev/null", f"--stc-import=path={model}",
                             f"--stc-compress-layers=calibrate={ids} length=32 sequences=16 "
                             "quantize=awq:int8-g32",
                             f"--stc-interpret=tokens={','.join(map(str, TOKENS))} max=100000")
                numbers = result.stdout.decode().split("logits", 1)[1].splitlines()[0]
                got = [float(n) for n in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", numbers)]
                self.assertEqual(len(got), len(whole))
                largest = max(map(abs, whole))
                self.assertLess(max(abs(a - b) for a, b in zip(got, whole)) / largest, 6e-2)

    def test_configurations_that_contradict_themselves(self):
        cases = [
            (DeepSeekV3, {"kv_lora_rank": 0}, "kv_lora_rank: expected a size from 1 to 65536, got 0"),
            (DeepSeekV3, {"kv_lora_rank": None}, "kv_lora_rank: expected an integer, got none"),
            (DeepSeekV3, {"q_lora_rank": 0}, "q_lora_rank: expected a size of 1 or more, or null"),
            (DeepSeekV3, {"v_head_dim": 13}, "v_head_dim: expected a size from 1 to 12, got 13"),
            (DeepSeekV3, {"qk_rope_head_dim": 3}, "expected an even size, for rotation in pairs"),
            (DeepSeekV3, {"num_key_value_heads": 2},
             "num_key_value_heads: expected as many as heads, 4, got 2"),
            (DeepSeekV3, {"attention_bias": True}, "attention_bias: expected false"),
            (DeepSeekV3, {"rope_interleave": False}, "rope_interleave: expected true"),
            (DeepSeekV3, {"n_group": 3}, "n_group: expected a divisor of n_routed_experts = 8 up to "
                                         "4, got 3"),
            (DeepSeekV3, {"n_group": 8}, "n_group: expected a divisor of n_routed_experts = 8 up to "
                                         "4, got 8"),
            (DeepSeekV3, {"topk_group": 5}, "topk_group: expected 1 to 4 groups, to choose 2 experts "
                                            "from, got 5"),
            (DeepSeekV3, {"topk_group": 1, "num_experts_per_tok": 3},
             "topk_group: expected 2 to 4 groups, to choose 3 experts from, got 1"),
            (DeepSeekV3, {"routed_scaling_factor": 0.0},
             "routed_scaling_factor: expected a finite number above 0, got 0"),
            (DeepSeekV3, {"scoring_func": "softmax"},
             "scoring_func: expected sigmoid, got 'softmax'"),
            (DeepSeekV3, {"topk_method": "greedy"},
             "topk_method: expected noaux_tc, got 'greedy'"),
            (DeepSeekV3, {"first_k_dense_replace": 2},
             "first_k_dense_replace: expected 0 to 1 layers without experts, got 2"),
            (DeepSeekV3, {"moe_layer_freq": 2}, "moe_layer_freq: expected 1: experts in every layer"),
            (DeepSeekV3, {"n_shared_experts": -1},
             "n_shared_experts: expected a number from 0 to 65536, got -1"),
            (DeepSeekV2, {"norm_topk_prob": True}, "norm_topk_prob: expected false"),
            (DeepSeekV2, {"topk_method": "noaux_tc"},
             "topk_method: expected greedy or group_limited_greedy, got 'noaux_tc'"),
            (Ernie45Moe, {"moe_layer_end_index": 0}, "moe_layer_end_index: expected -1 or 1, got 0"),
            (Dots1, {"scoring_func": "softmax"}, "scoring_func: expected noaux_tc, got 'softmax'"),
        ]
        for make, changes, message in cases:
            with self.subTest(**changes):
                self.assertIn(message, self.error(make(**changes), make().tensors()))

    def test_tensors_of_other_shapes(self):
        family = DeepSeekV3()
        tensors = family.tensors()
        name = "model.layers.1.self_attn.kv_b_proj.weight"
        tensors[name] = tensors[name][:-1]
        self.assertIn(f"tensor {name}: expected shape [56, 16], got [55, 16]",
                      self.error(family, tensors))
        del tensors[name]
        self.assertIn(f"tensor {name}: expected shape [56, 16], got no such tensor",
                      self.error(family, tensors))

    def test_gguf_halves_that_do_not_fit(self):
        family = NewDeepSeekV3()
        metadata, stored = family.to_gguf(family.tensors())
        stored["blk.1.attn_v_b.weight"] = [head[:-1] for head in stored["blk.1.attn_v_b.weight"]]
        write_gguf(self.tmp / "bad.gguf", {"general.architecture": family.gguf, **metadata}, stored)
        result = stc("compile", self.tmp / "bad.gguf", "-o", self.tmp / "m", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"tensor blk.1.attn_kv_b.weight: expected shape [56, 16], got [52, 16]",
                      result.stderr)

    def test_shares_of_experts_are_counted(self):
        """A token reads two of eight experts of a layer, and what all tokens go through."""
        model = Glm4Moe().write(self.tmp / "glm", Glm4Moe().tensors())
        binary = compile_model(model, self.tmp / "model")
        info = run(binary, "bench", "--prompt-tokens", "4", "--generate", "2", "--json").stdout
        streamed = float(re.search(rb'"weight_bytes_per_token": *([0-9.e+]+)', info).group(1))
        whole = sum(len(flatten(v)) for n, v in Glm4Moe().tensors().items() if ".experts." in n)
        self.assertLess(streamed, (self.tmp / "model").stat().st_size)
        rest = sum(len(flatten(v)) for n, v in Glm4Moe().tensors().items()
                   if ".experts." not in n and "embed" not in n and "eh_proj" not in n)
        self.assertAlmostEqual(streamed / (4 * (whole / 4 + rest)), 1, delta=0.1)


if __name__ == "__main__":
    unittest.main()
