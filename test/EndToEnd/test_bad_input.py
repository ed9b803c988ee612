"""Bad input ends in one line, exit status 1, no signal, and nothing left behind."""
import json
import os
import pathlib
import random
import shutil
import struct
import unittest

from support import BIN, BOOKS, SHARED, TemporaryDirectoryTest, make_llama, needs_shared, run, stc


class BadInput(TemporaryDirectoryTest):
    def fails(self, *arguments, mention=None, binary=None):
        before = sorted(p.name for p in self.tmp.rglob("*"))
        result = run(binary or BIN / "stc", *arguments, check=False)
        text = result.stderr.decode(errors="replace").strip()
        self.assertEqual(result.returncode, 1, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertTrue(text.startswith("error: "), text)
        if mention:
            self.assertIn(mention, text)
        self.assertEqual(before, sorted(p.name for p in self.tmp.rglob("*")))
        return text

    def compile_fails(self, model, mention=None, *options):
        return self.fails("compile", model, "-o", self.tmp / "out", *options, mention=mention)

    def test_command_line(self):
        self.fails("compile", mention="MODEL")
        self.fails("no-such-command", mention="no-such-command")
        self.fails("compile", BOOKS, "--no-such-flag", mention="--no-such-flag")
        self.compile_fails(self.tmp / "absent", "absent")
        self.compile_fails(BOOKS, "--calibrate", "--prune", "wanda:2:4")
        self.compile_fails(BOOKS, None, "--prune", "5:4")
        self.compile_fails(BOOKS, None, "--quantize", "int5")
        self.compile_fails(BOOKS, "native", "--target", "pentium-pro-max")
        self.compile_fails(BOOKS, "mlir:", "--emit=elf")
        self.compile_fails(BOOKS, None, "--kv-cache", "int4")
        self.compile_fails(BOOKS, None, "--max-context", "-4")
        self.fails("compile", BOOKS, "-o", "/proc/stc-no-such/out")
        (self.tmp / "folder").mkdir()
        self.fails("compile", BOOKS, "-o", self.tmp / "folder", mention="folder")

    def test_outputs_that_are_inputs(self):
        model = self.tmp / "model"
        make_llama(model)
        module = self.tmp / "m.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
        recipe = self.tmp / "r.yaml"
        recipe.write_text("version: 1\nstages: [{match: '*', quantize: int8}]\n")
        (self.tmp / "link").symlink_to(module)
        text = ("--emit=mlir:import", "-o")
        for words in ((module, *text, module), (module, *text, self.tmp / "link"),
                      (model, *text, model / "config.json"), (model, *text, recipe, "--recipe", recipe),
                      (model, *text, f"{model}/../model/model.safetensors"),
                      (model / "model.safetensors", *text, model / "config.json")):
            before = [path.read_bytes() for path in (module, recipe, model / "config.json",
                                                     model / "model.safetensors")]
            self.fails("compile", *words, mention="one that it reads")
            self.assertEqual(before, [path.read_bytes() for path in (
                module, recipe, model / "config.json", model / "model.safetensors")])
        for kind in ("exe", "safetensors", "gguf", "shared"):
            self.fails("compile", model, f"--emit={kind}", "-o", "-", mention="--output")

    def broken(self, change):
        """A copy of a small model with one thing changed."""
        directory = self.tmp / f"model{len(list(self.tmp.iterdir()))}"
        make_llama(directory)
        change(directory)
        return directory

    def config(self, **values):
        def change(directory):
            path = directory / "config.json"
            config = json.loads(path.read_text())
            config.update(values)
            path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return self.broken(change)

    def test_config(self):
        self.compile_fails(self.config(model_type="sparkle"), "sparkle")
        self.compile_fails(self.config(hidden_size=0), "hidden_size")
        self.compile_fails(self.config(num_attention_heads=3), None)
        self.compile_fails(self.config(num_key_value_heads=3), None)
        self.compile_fails(self.config(rms_norm_eps=-1.0), "rms_norm_eps")
        self.compile_fails(self.config(vocab_size=321), None)
        self.compile_fails(self.config(num_hidden_layers=3), "layers.2")
        self.compile_fails(self.config(intermediate_size=161), "161")
        self.compile_fails(self.config(hidden_act="cubic"), "cubic")
        self.compile_fails(self.config(auto_map={"AutoModel": "x.Y"}), "auto_map")
        self.compile_fails(self.config(max_position_embeddings=2**62), None)

    def test_files(self):
        def truncate(size):
            def change(directory):
                path = directory / "model.safetensors"
                with open(path, "r+b") as file:
                    file.truncate(size)
            return self.broken(change)
        for size in (0, 7, 8, 100, 5000):
            self.compile_fails(truncate(size), "model.safetensors")

        def write(name, data):
            return self.broken(lambda d: (d / name).write_bytes(data))
        self.compile_fails(write("config.json", b"{"), "config.json")
        self.compile_fails(write("config.json", b"[" * 100000), "config.json")
        self.compile_fails(write("config.json", b'{"a":1,"a":2}'), "config.json")
        self.compile_fails(write("tokenizer.json", b'{"model": 3}'), "tokenizer.json")
        (self.tmp / "x.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60))
        self.compile_fails(self.tmp / "x.gguf", "x.gguf")
        (self.tmp / "deep.mlir").write_text("func.func @f() " + "{ scf.execute_region " * 100000)
        self.compile_fails(self.tmp / "deep.mlir", "deep.mlir")
        (self.tmp / "bad.mlir").write_text("stc.weight @w : tensor<4xi32> {}")
        self.compile_fails(self.tmp / "bad.mlir", "bad.mlir")
        (self.tmp / "empty.mlir").write_text("module {}")
        self.compile_fails(self.tmp / "empty.mlir", "empty.mlir: expected a function @forward")

    def test_non_finite_weights(self):
        def change(directory):
            path = directory / "model.safetensors"
            data = bytearray(path.read_bytes())
            data[-4:] = struct.pack("<f", float("nan"))
            path.write_bytes(data)
        self.compile_fails(self.broken(change), "nan", "--quantize", "int4")

    def test_model_binary(self):
        binary = self.tmp / "m"
        stc("compile", BOOKS, "-o", binary, "--quiet", "--quantize", "int4")
        for arguments in (("frobnicate",), ("run", "--top-k", "x", "-p", "a"), ("logits",),
                          ("logits", "--tokens", "1,99999", "-o", self.tmp / "l.npy"),
                          ("run", "-p", "word " * 3000), ("eval", "--text", self.tmp / "no"),
                          ("run", "--temperature", "nan", "-p", "a")):
            self.fails(*arguments, binary=binary)
        data = bytearray(binary.read_bytes())
        generator = random.Random(3)
        for position in [len(data) - 1, len(data) - 40] + [
                generator.randrange(len(data) * 3 // 4, len(data)) for _ in range(6)]:
            flipped = bytearray(data)
            flipped[position] ^= 1 << generator.randrange(8)
            binary.write_bytes(flipped)
            self.fails("info", binary=binary) if position > len(data) - 64 else None
            result = run(binary, "run", "-p", "a", "-n", "1", "--quiet", check=False)
            self.assertEqual(result.returncode, 1, position)
        # Cut within the weights: before them stands the program itself.
        binary.write_bytes(data[:len(data) * 3 // 4])
        self.fails("info", binary=binary)

    def test_killed_compiles_leave_no_output(self):
        import signal
        import subprocess
        import time
        for delay in (0.05, 0.2, 0.4, 0.8):
            # Each has a place of its own: one of them may be done before it is killed.
            out = self.tmp / f"out{delay}"
            process = subprocess.Popen([BIN / "stc", "compile", BOOKS, "-o", out, "--quiet"])
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            process.wait()
            # A signal behind the last step, which gives the file its name, finds it whole.
            if process.returncode != 0 and out.exists():
                self.assertNotEqual(delay, 0.05)
                run(out, "run", "-p", "a", "-n", "1", "--quiet")
            left = [file.name for file in self.tmp.iterdir() if not file.name.startswith("out")]
            self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
