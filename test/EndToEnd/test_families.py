"""What decoder families do with compression and with bad input. That each computes what it should
say test_llama_families and its neighbours."""
import random
import re
import unittest

from families import (Bloom, Cohere2, CoherePlus, DynamicLlama, FalconRW, Gemma2, Gemma3, Gpt2,
                      GptNeoX, Granite, Olmo, Olmo2, Opt, Phi3, Qwen3, SmolLM3, StableLm2,
                      StarCoder2)
from family_base import VOCAB
from family_check import TOKENS
from support import (BIN, RefusalTest, TemporaryDirectoryTest, compile_model, interpret_logits,
                     read_npy, run, stc)


class Passes(TemporaryDirectoryTest):
    """What compression does to families whose layers differ from Llama's."""

    def make(self, family):
        tensors = family().tensors()
        return family().write(self.tmp / family.__name__, tensors), tensors

    def compare(self, model, options, passes, tolerance=1e-4):
        binary = compile_model(model, self.tmp / "model", *options)
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        got = read_npy(self.tmp / "l.npy")[-1]
        want = interpret_logits(model, self.tmp / "import.mlir", "none", "none", TOKENS, passes)
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, tolerance)
        return got

    def test_structure(self):
        for family in (Qwen3, Gpt2, Phi3, Gemma2, Bloom):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                got = self.compare(model, ("--prune-groups", "0.5", "--prune-channels", "0.25"),
                                   "--stc-prune-structure=groups=0.5 channels=0.25")
                whole = family().forward(tensors, TOKENS)[-1]
                self.assertGreater(max(abs(a - b) for a, b in zip(got, whole)), 1e-2)

    def test_structure_that_is_not_there(self):
        model, _ = self.make(Olmo2)
        result = stc("compile", model, "-o", self.tmp / "m", "--prune-groups", "0.5", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"attention that can be cut in every layer", result.stderr)

    def test_rotations_change_nothing(self):
        for family in (Granite, Qwen3, Phi3):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                got = self.compare(model, ("--rotate",), "--stc-fold-rotations")
                whole = family().forward(tensors, TOKENS)[-1]
                self.assertLess(max(abs(a - b) for a, b in zip(got, whole)), 1e-3)

    def test_rotations_say_what_they_cannot_turn(self):
        for family, what in ((Gpt2, b"got stc.layer_norm"), (Gemma2, b"got stc.rms_norm")):
            model, _ = self.make(family)
            result = stc("compile", model, "-o", self.tmp / "m", "--rotate", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"stc-fold-rotations: expects a hidden state", result.stderr)
            self.assertIn(what, result.stderr)

    def test_calibrated(self):
        """Channel scales that go into gains and biases of norms, and the text that finds them."""
        generator = random.Random(7)
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(generator.randrange(VOCAB)) for _ in range(16 * 32)))
        for family in (Gemma2, StarCoder2, Gpt2, Olmo, StableLm2):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                whole = family().forward(tensors, TOKENS)[-1]
                result = run(BIN / "stc-opt", "/dev/null", f"--stc-import=path={model}",
                             f"--stc-compress-layers=calibrate={ids} length=32 sequences=16 "
                             "quantize=awq:int8-g32",
                             f"--stc-interpret=tokens={','.join(map(str, TOKENS))} max=100000")
                module, numbers = result.stdout.decode().split("logits", 1)
                norm = next(line for line in (module + numbers).splitlines()
                            if "stc.weight @layers.0.attn_norm :" in line)
                self.assertIn("stc.calibrated", norm)
                got = [float(n) for n in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?",
                                                    numbers.splitlines()[0])]
                self.assertEqual(len(got), len(whole))
                largest = max(map(abs, whole))
                self.assertLess(max(abs(a - b) for a, b in zip(got, whole)) / largest, 3e-2)

    def test_qwen3_as_gguf(self):
        model, tensors = self.make(Qwen3)
        stc("compile", model, "-o", self.tmp / "q.gguf", "--emit=gguf", "--quiet")
        binary = compile_model(self.tmp / "q.gguf", self.tmp / "model")
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        whole = Qwen3().forward(tensors, TOKENS)
        for row, expected in zip(read_npy(self.tmp / "l.npy"), whole):
            self.assertLess(max(abs(a - b) for a, b in zip(row, expected)), 1e-3)


class BadInput(RefusalTest):
    def test_tensors(self):
        family = Phi3()
        tensors = family.tensors()
        name = "model.layers.1.self_attn.qkv_proj.weight"
        rows = tensors[name]
        tensors[name] = rows[:-1]
        self.assertIn(f"tensor {name}: expected shape [64, 32], got [63, 32]",
                      self.error(family, tensors))
        del tensors[name]
        self.assertIn(f"tensor {name}: expected shape [64, 32], got no such tensor",
                      self.error(family, tensors))
        tensors[name] = rows
        tensors["model.layers.0.self_attn.q_proj.weight"] = [[0.0]]
        self.assertIn("expected only tensors of phi3, got an unknown one of shape [1, 1]",
                      self.error(family, tensors))

    def test_norms_of_heads(self):
        family = CoherePlus()
        tensors = family.tensors()
        name = "model.layers.1.self_attn.q_norm.weight"
        tensors[name] = tensors[name][:3]
        self.assertIn(f"tensor {name}: expected shape [4, 8], got [3, 8]",
                      self.error(family, tensors))
        tensors[name] = [0.0] * 32
        self.assertIn(f"tensor {name}: expected shape [4, 8], got [32]",
                      self.error(family, tensors))
        family.config["use_qk_norm"] = False
        self.assertIn("expected only tensors of cohere, got an unknown one of shape",
                      self.error(family, tensors))
        family = StableLm2()
        tensors = family.tensors()
        name = "model.layers.1.self_attn.q_layernorm.norms.{}.weight"
        del tensors[name.format(2)]
        self.assertIn(f"tensor {name.format('[:]')}: expected shape [4, 8], got [2, 8]",
                      self.error(family, tensors))
        tensors[name.format(2)] = [1.0] * 9
        self.assertIn(f"tensor {name.format('[:]')}: expected shape [4, 8], got [2, 8]",
                      self.error(family, tensors))
        del tensors[name.format(0)]
        self.assertIn(f"tensor {name.format('[:]')}: expected shape [4, 8], got no such tensor",
                      self.error(family, tensors))
        tensors = family.tensors()
        tensors[name.format(4)] = [1.0] * 8
        self.assertIn(f"tensor {name.format('[:]')}: expected shape [4, 8], got [5, 8]",
                      self.error(family, tensors))

    def test_weights_of_norms_without_weights(self):
        family = Olmo()
        tensors = family.tensors()
        tensors["model.norm.weight"] = [1.0] * 32
        self.assertIn("tensor model.norm.weight: expected only tensors of olmo, got an unknown one "
                      "of shape [32]", self.error(family, tensors))

    def test_transposed(self):
        family = Gpt2()
        tensors = family.tensors()
        name = "h.0.mlp.c_fc.weight"
        tensors[name] = [list(column) for column in zip(*tensors[name])]
        self.assertIn(f"tensor {name}: expected shape [32, 128], got [128, 32]",
                      self.error(family, tensors))

    def test_more_positions_than_learned(self):
        family = Gpt2()
        self.assertIn("max-context: expected up to the 64 positions",
                      self.error(family, family.tensors(), "--max-context", "65"))

    def test_unknown_family(self):
        family = Granite()
        tensors = family.tensors()
        family.config["model_type"] = "granite4"
        line = self.error(family, tensors)
        self.assertIn("model_type: expected one of llama, ", line)
        self.assertIn("got 'granite4' (the nearest is granite)", line)

    def test_exports_that_cannot_be(self):
        family = Opt()
        line = self.error(family, family.tensors(), "--emit=gguf")
        self.assertIn("--emit=gguf: expected layers, attention and gates as GGUF takes them to be, and "
                      "one of llama, mistral, mixtral, qwen2, ", line)
        self.assertIn("got one of opt", line)
        # What the metadata have no key for: scaled slopes, other layers with a window or without
        # rotation, a scale of scores, and soft caps of Gemma 3.
        for family in (FalconRW(), Cohere2(sliding_window_pattern=2),
                       Gemma2(layer_types=["full_attention"] * 2),
                       SmolLM3(no_rope_layers=[1, 1, 0, 1]), Gemma2(query_pre_attn_scalar=99),
                       Gemma3(attn_logit_softcapping=50.0)):
            with self.subTest(family=type(family).__name__):
                line = self.error(family, family.tensors(), "--emit=gguf")
                self.assertIn("expected layers, attention and gates as GGUF takes them to be", line)
                self.assertIn(f"got one of {family.name}", line)
        family = DynamicLlama()
        line = self.error(family, family.tensors(), "--emit=gguf")
        self.assertIn("rope_scaling: expected none, linear, yarn, llama3 or longrope, which GGUF "
                      "files are written with, got dynamic", line)
        family = GptNeoX(hidden_act="relu")
        line = self.error(family, family.tensors(), "--emit=gguf")
        self.assertIn("--emit=gguf: expected the activation that GGUF files of gptneox are read "
                      "with, gelu, got relu", line)
        family = Phi3()
        line = self.error(family, family.tensors(), "--emit=safetensors", "--quantize", "int4",
                          "--exclude", "*.k", "--quiet")
        self.assertIn("layers.0.self_attn.qkv_proj.weight: expected weights that are quantized "
                      "alike, since phi3 keeps them in one tensor, got @layers.0.q and @layers.0.k "
                      "that are not", line)


if __name__ == "__main__":
    unittest.main()
