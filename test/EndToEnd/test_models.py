"""Unpruned, unquantized models reproduce their float64 goldens."""
import json
import unittest

from support import (SHARED, TemporaryDirectoryTest, compile_model, golden, interpret_logits, make_llama,
                     needs_shared, read_npy, run, stc, BOOKS)


def ids(tokens):
    return ",".join(map(str, tokens))


class HalfFloats(TemporaryDirectoryTest):
    def test_f16_checkpoints_stay_f16(self):
        model = make_llama(self.tmp / "llama", dtype="F16")
        binary = compile_model(model, self.tmp / "model")
        layers = json.loads(stc("inspect", binary, "--json").stdout)["layers"]
        self.assertEqual({layer["layout"] for layer in layers}, {"dense-f16", "rows-f16", "rows-f32"})
        self.assertEqual({layer["layout"] for layer in layers if len(layer["shape"]) == 2},
                         {"dense-f16", "rows-f16"})
        tokens = [3, 1, 7, 100, 5, 250]
        expected = interpret_logits(model, self.tmp / "m.mlir", "none", "none", tokens)
        run(binary, "logits", "--tokens", ids(tokens), "-o", self.tmp / "logits.npy")
        got = read_npy(self.tmp / "logits.npy")[-1]
        self.assertLess(max(abs(a - b) for a, b in zip(got, expected)), 1e-3)


@needs_shared
class Goldens(TemporaryDirectoryTest):
    def check_logits(self, binary, tokens, expected, tolerance=1e-3):
        run(binary, "logits", "--tokens", ids(tokens), "-o", self.tmp / "logits.npy")
        rows = read_npy(self.tmp / "logits.npy")
        self.assertEqual(len(rows), len(tokens))
        worst = max(abs(a - b) for a, b in zip(rows[-1], expected))
        self.assertLess(worst, tolerance)
        return rows

    def generate(self, binary, tokens, count, *options):
        result = run(binary, "run", "--tokens", ids(tokens), "-n", count, "--temperature", "0",
                     "--ignore-eos", "--print-tokens", "--quiet", *options)
        return [int(t) for t in result.stdout.split()]

    def check_stories(self, model):
        g = golden("stories260k")
        binary = compile_model(SHARED / "models" / model, self.tmp / "model")
        prompt = g["prompt_tokens"]
        self.check_logits(binary, prompt, g["last_logits"])
        for threads in (1, 2, 3):
            self.assertEqual(self.generate(binary, prompt, 200, "--threads", threads),
                             g["greedy_tokens"][len(prompt):])
        text = run(binary, "run", "-p", g["prompt_text"], "-n", 100, "--temperature", "0",
                   "--quiet").stdout
        self.assertIn(b"Once upon a time", g["prompt_text"].encode())
        return text

    def test_stories260k_safetensors_and_gguf(self):
        self.assertEqual(self.check_stories("stories260k"), self.check_stories("stories260k.gguf"))

    def check_tiny(self, name):
        g = golden(name)
        binary = compile_model(SHARED / "models" / name, self.tmp / "model")
        rows = self.check_logits(binary, g["tokens"], g["last_logits"])
        self.assertLess(max(abs(a - b) for a, b in zip(rows[0], g["first_logits"])), 1e-3)
        argmax = [max(range(len(row)), key=row.__getitem__) for row in rows]
        self.assertEqual(argmax, g["argmax_per_position"])
        count = len(g["greedy_tokens"]) - len(g["tokens"])
        self.assertEqual(self.generate(binary, g["tokens"], count),
                         g["greedy_tokens"][len(g["tokens"]):])

    def test_tiny_llama(self):
        self.check_tiny("tiny-llama")

    def test_tiny_qwen2(self):
        self.check_tiny("tiny-qwen2")

    def test_tiny_gpt2(self):
        self.check_tiny("tiny-gpt2")

    def check_cache(self, element, tolerance):
        """Logits beside float64's; text far beyond a piece of the cache, for any threads."""
        for name in ("tiny-llama", "tiny-qwen2"):
            g = golden(name)
            binary = compile_model(SHARED / "models" / name, self.tmp / "tiny", "--kv-cache", element)
            self.check_logits(binary, g["tokens"], g["last_logits"], tolerance)
        binary = compile_model(SHARED / "models" / "stories260k", self.tmp / "model", "--kv-cache",
                               element, "--max-context", 1300)
        info = json.loads(run(binary, "info", "--json").stdout)
        self.assertEqual(info["kv_cache"], element)
        self.assertGreater(info["kv_cache_bytes"], 0)
        prompt = golden("stories260k")["prompt_tokens"]
        texts, logits = [], []
        for threads in (1, 2, 3, 5):
            texts.append(self.generate(binary, prompt, 1200, "--threads", threads))
            run(binary, "logits", "--tokens", ids(prompt + texts[0]), "-o",
                self.tmp / "logits.npy", "--threads", threads)
            logits.append((self.tmp / "logits.npy").read_bytes())
        self.assertEqual(len(texts[0]), 1200)
        self.assertTrue(all(text == texts[0] for text in texts))
        self.assertTrue(all(rows == logits[0] for rows in logits))
        # Reading all tokens at once predicts what was written one at a time.
        rows = read_npy(self.tmp / "logits.npy")[len(prompt) - 1:-1]
        same = sum(max(range(len(row)), key=row.__getitem__) == token
                   for row, token in zip(rows, texts[0]))
        self.assertGreaterEqual(same, 1195)

    def test_cache_follows_quantization(self):
        for quantize, element in (("none", "f32"), ("int8", "f16")):
            binary = compile_model(SHARED / "models" / "stories260k", self.tmp / "model",
                                   "--quantize", quantize)
            self.assertEqual(json.loads(run(binary, "info", "--json").stdout)["kv_cache"], element)

    def test_f32_cache(self):
        self.check_cache("f32", 1e-3)

    def test_f16_cache(self):
        self.check_cache("f16", 1e-3)

    def test_int8_cache(self):
        self.check_cache("int8", 6e-2)

    def test_fp8_cache(self):
        self.check_cache("fp8", 2e-1)

    def test_books_golden(self):
        g = golden("books")
        binary = compile_model(BOOKS, self.tmp / "books")
        for key in ("greedy_a", "greedy_b"):
            case = g[key]
            self.check_logits(binary, case["prompt_tokens"], case["last_logits"])
            count = len(case["greedy_tokens"]) - len(case["prompt_tokens"])
            self.assertEqual(self.generate(binary, case["prompt_tokens"], count),
                             case["greedy_tokens"][len(case["prompt_tokens"]):])


if __name__ == "__main__":
    unittest.main()
