"""Shared helpers of the end-to-end tests: running tools, reading npy files, making checkpoints."""
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("STC_BIN_DIR", ROOT / "build" / "release" / "bin"))
SHARED = pathlib.Path(os.environ.get("STC_SHARED_DIR", ROOT.parent / "shared"))
BOOKS = ROOT / "examples" / "books"

needs_shared = unittest.skipUnless((SHARED / "models").is_dir(), "the shared models are absent")


def run(*arguments, check=True, timeout=300, **options):
    """Runs a command; on failure the assertion shows what it printed."""
    result = subprocess.run([str(a) for a in arguments], capture_output=True, timeout=timeout,
                            **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}\nexit {result.returncode}\n"
                             f"{result.stderr.decode(errors='replace')}")
    return result


def stc(*arguments, **options):
    return run(BIN / "stc", *arguments, **options)


def compile_model(model, output, *options):
    stc("compile", model, "-o", output, "--quiet", *options)
    return output


def interpret_logits(model, module, prune, quantize, tokens, *passes, encoder_tokens=()):
    """Last-position logits of the interpreter on the packed module of a recipe. `module` is a path
    to write; `passes` run before compression; an encoder-decoder reads `encoder_tokens` first."""
    # What the cache holds depends on the quantization, which this compilation does not know.
    cache = "f32" if quantize == "none" else "f16"
    stc("compile", model, "--emit=mlir:import", "--kv-cache", cache, "-o", module, "--quiet")
    # The module names its checkpoint, so that stc-opt streams the same weights.
    result = run(BIN / "stc-opt", module, *passes, f"--stc-to-packed=prune={prune} quantize={quantize}",
                 f"--stc-interpret=tokens={','.join(map(str, tokens))} max=100000" +
                 (f" encoder-tokens={','.join(map(str, encoder_tokens))}" if encoder_tokens else ""),
                 "-o", "/dev/null")
    numbers = re.findall(r"[-+]?(?:\d+\.\d*|\d+)(?:[eE][-+]?\d+)?",
                         result.stdout.decode().split("logits", 1)[1])
    return [float(n) for n in numbers]


def read_npy(path):
    """A float32 [rows][columns] array as a list of tuples."""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY", data[:6]
    header_size, = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + header_size], {"__builtins__": {}}, {"False": False, "True": True})
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    rows, columns = header["shape"]
    values = struct.unpack(f"<{rows * columns}f", data[10 + header_size:])
    return [values[r * columns:(r + 1) * columns] for r in range(rows)]


def write_npy(path, rows):
    """A float32 [rows][columns] array."""
    header = str({"descr": "<f4", "fortran_order": False, "shape": (len(rows), len(rows[0]))})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    numbers = [x for row in rows for x in row]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                     struct.pack(f"<{len(numbers)}f", *numbers))
    return path


def golden(model):
    return json.loads((SHARED / "models" / model / "golden.json").read_text())


def write_safetensors(path, tensors):
    """tensors: {name: (dtype, shape, bytes)}."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def make_llama(directory, *, layers=2, hidden=64, heads=4, kv_heads=2, ffn=160, vocab=320,
               context=128, seed=1, dtype="F32", **config):
    """A random Llama checkpoint without a tokenizer."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    head_dim = hidden // heads
    scale = 1 / hidden ** 0.5

    def tensor(*shape, one=False):
        count = 1
        for size in shape:
            count *= size
        if dtype == "BF16":
            # Random bytes are fast; keep exponents small: sign, 0x3c/0x3d/0xbc/0xbd high bytes.
            raw = bytearray(generator.randbytes(2 * count))
            high = bytes((0x3c, 0x3d, 0xbc, 0xbd)) if not one else bytes((0x3f,) * 4)
            raw[1::2] = bytes(high[b & 3] for b in raw[1::2])
            return (dtype, shape, bytes(raw))
        values = [1.0 + 0.1 * generator.gauss(0, 1) if one else scale * generator.gauss(0, 1)
                  for _ in range(count)]
        return (dtype, shape, struct.pack(f"<{count}{'e' if dtype == 'F16' else 'f'}", *values))

    tensors = {"model.embed_tokens.weight": tensor(vocab, hidden),
               "model.norm.weight": tensor(hidden, one=True),
               "lm_head.weight": tensor(vocab, hidden)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        tensors[prefix + "input_layernorm.weight"] = tensor(hidden, one=True)
        tensors[prefix + "post_attention_layernorm.weight"] = tensor(hidden, one=True)
        tensors[prefix + "self_attn.q_proj.weight"] = tensor(hidden, hidden)
        tensors[prefix + "self_attn.k_proj.weight"] = tensor(kv_heads * head_dim, hidden)
        tensors[prefix + "self_attn.v_proj.weight"] = tensor(kv_heads * head_dim, hidden)
        tensors[prefix + "self_attn.o_proj.weight"] = tensor(hidden, hidden)
        tensors[prefix + "mlp.gate_proj.weight"] = tensor(ffn, hidden)
        tensors[prefix + "mlp.up_proj.weight"] = tensor(ffn, hidden)
        tensors[prefix + "mlp.down_proj.weight"] = tensor(hidden, ffn)
    write_safetensors(directory / "model.safetensors", tensors)
    (directory / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab,
        "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1,
        "eos_token_id": 2, **config}))
    return directory


class TemporaryDirectoryTest(unittest.TestCase):
    """A test case with a fresh directory in self.tmp."""

    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self.tmp = pathlib.Path(self._directory.name)

    def tearDown(self):
        self._directory.cleanup()


class RefusalTest(TemporaryDirectoryTest):
    """Of checkpoints that are refused."""
    def error(self, family, tensors, *options):
        """The one line that is said about a family's checkpoint."""
        directory = family.write(self.tmp / "bad", tensors)
        result = stc("compile", directory, "-o", self.tmp / "m", *options, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse((self.tmp / "m").exists())
        return lines[0]
