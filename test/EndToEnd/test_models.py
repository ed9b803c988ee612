"""Unpruned, unquantized models reproduce their float64 goldens."""
import unittest

from support import (SHARED, TemporaryDirectoryTest, compile_model, golden, needs_shared, read_npy,
                     run, stc, BOOKS)


def ids(tokens):
    return ",".join(map(str, tokens))


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

    def test_unknown_architecture(self):
        for name in ("tiny-gpt2", "tiny-bert", "tiny-mixtral"):
            result = stc("compile", SHARED / "models" / name, "-o", self.tmp / "m", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.decode().strip().splitlines()), 1, result.stderr)
            self.assertIn(b"llama", result.stderr)

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
