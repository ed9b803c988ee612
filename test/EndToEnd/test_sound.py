"""Whisper: what its encoder reads, from features and from WAV files, and what its decoder writes."""
import json
import math
import random
import struct
import unittest

from family_base import HIDDEN, VOCAB, f32
from seq2seq import Whisper, log_mel
from support import TemporaryDirectoryTest, compile_model, read_npy, run, stc, write_npy

WRITTEN = [3, 8, 44, 23, 6, 19, 30]
FRAMES = 2 * Whisper.POSITIONS


def ids(tokens):
    return ",".join(map(str, tokens))


def random_frames(count, seed=5):
    generator = random.Random(seed)
    return [[f32(generator.gauss(0, 1)) for _ in range(Whisper.BINS)] for _ in range(count)]


def write_wav(path, samples, rate=16000, bits=16, tag=1, channels=1):
    if tag == 3:
        data = struct.pack(f"<{len(samples)}f", *samples)
    else:
        data = b"".join(int(round(x * 32768)).to_bytes(2, "little", signed=True) for x in samples)
    size = channels * bits // 8
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * size, size, bits)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
                     struct.pack("<I", 16) + head + b"LIST" + struct.pack("<I", 3) + b"abc\0" +
                     b"data" + struct.pack("<I", len(data)) + data)
    return path


SPECIAL = ["startoftranscript", "en", "de", "transcribe", "translate", "notimestamps"]
FIRST_SPECIAL = VOCAB - len(SPECIAL)


def write_tokenizer(directory):
    """A letter a token, and the tokens of Whisper's prompt."""
    added = [{"id": FIRST_SPECIAL + i, "content": f"<|{name}|>", "special": True,
              "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
             for i, name in enumerate(SPECIAL)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    (directory / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "byte_fallback": False, "merges": [],
                  "vocab": {chr(ord("A") + i): i for i in range(FIRST_SPECIAL)}}}))


class Sound(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.family = Whisper()
        self.tensors = self.family.tensors()
        self.model = self.family.write(self.tmp / "hf", self.tensors)
        self.binary = self.tmp / "model"

    def features(self, frames):
        return write_npy(self.tmp / "mel.npy", [list(row) for row in zip(*frames)])

    def logits(self, *options, binary=None):
        run(binary or self.binary, "logits", *options, "--decoder-tokens", ids(WRITTEN), "-o",
            self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def worst(self, rows, want):
        self.assertEqual(len(rows), len(want))
        return max(abs(a - b) for row, expected in zip(rows, want) for a, b in zip(row, expected))

    def test_features(self):
        compile_model(self.model, self.binary)
        for count in (FRAMES, 14, 2):
            frames = random_frames(count)
            want = self.family.forward(self.tensors, frames, WRITTEN)
            self.assertGreater(max(abs(x) for x in want[-1]), 0.5)
            rows = self.logits("--features", self.features(frames))
            self.assertLess(self.worst(rows, want), 1e-3)

    def test_sharded(self):
        model = self.family.write_sharded(self.tmp / "sharded", self.tensors)
        compile_model(model, self.binary)
        frames = random_frames(FRAMES)
        want = self.family.forward(self.tensors, frames, WRITTEN)
        self.assertLess(self.worst(self.logits("--features", self.features(frames)), want), 1e-3)

    def test_audio(self):
        compile_model(self.model, self.binary)
        generator = random.Random(3)
        length = FRAMES * 160
        samples = [0.3 * math.sin(0.05 * i) + 0.2 * math.sin(0.31 * i) + 0.05 * generator.gauss(0, 1)
                   for i in range(length - 500)]
        samples = [round(max(-1.0, min(x, 0.9)) * 32768) / 32768 for x in samples]
        frames = log_mel(samples + [0.0] * 500, Whisper.BINS)
        want = self.family.forward(self.tensors, frames, WRITTEN)
        for options in ({}, {"bits": 32, "tag": 3}):
            wav = write_wav(self.tmp / "a.wav", samples, **options)
            self.assertLess(self.worst(self.logits("--audio", wav), want), 1e-3)
        written = [3]
        for _ in range(5):
            row = self.family.forward(self.tensors, frames, written)[-1]
            written.append(max(range(VOCAB), key=row.__getitem__))
        text = run(self.binary, "run", "--audio", wav, "-n", 5, "--temperature", "0", "--ignore-eos",
                   "--print-tokens", "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], written[1:])

    def test_pruned_and_quantized(self):
        """As the definition says of the matrices that are left: of four neighbours in a layer's
        matrix, the two largest."""
        pruned = type(self.tensors)(self.tensors)
        for name, matrix in self.tensors.items():
            if ".layers." in name and isinstance(matrix[0], list):
                pruned[name] = [[x if i in kept else 0.0 for at in range(0, len(row), 4)
                                 for kept in [sorted(range(at, at + 4), key=lambda j: -abs(row[j]))[:2]]
                                 for i, x in list(enumerate(row))[at:at + 4]] for row in matrix]
        frames = random_frames(FRAMES)
        want = self.family.forward(pruned, frames, WRITTEN)
        whole = self.family.forward(self.tensors, frames, WRITTEN)
        self.assertGreater(self.worst(whole, want), 0.5)
        features = self.features(frames)
        compile_model(self.model, self.binary, "--prune", "magnitude:2:4")
        self.assertLess(self.worst(self.logits("--features", features), want), 1e-3)
        compile_model(self.model, self.binary, "--prune", "magnitude:2:4", "--quantize", "int8-g32")
        largest = max(max(map(abs, row)) for row in want)
        self.assertLess(self.worst(self.logits("--features", features), want) / largest, 5e-2)

    def begun(self, *options):
        """Logits of the decoder's beginning, a row a token."""
        run(self.binary, "logits", "--audio", self.tmp / "a.wav", *options, "-o",
            self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def prompt(self, *names):
        return ids(FIRST_SPECIAL + SPECIAL.index(name) for name in names)

    def test_prompt_of_one_language(self):
        write_tokenizer(self.model)
        compile_model(self.model, self.binary)
        wav = write_wav(self.tmp / "a.wav", [0.3 * math.sin(0.05 * i) for i in range(3000)])
        self.assertEqual(self.begun(), self.begun(
            "--decoder-tokens", self.prompt("startoftranscript", "notimestamps")))
        for option, value in (("--language", "en"), ("--task", "translate")):
            self.assertIn(f"{option}: expected a tokenizer of many languages",
                          self.refuse(self.binary, "run", "--audio", wav, option, value))

    def test_prompt_of_many_languages(self):
        """Which models have is known by the size of their vocabulary alone."""
        many = 51865
        generator = random.Random(9)
        name = "model.decoder.embed_tokens.weight"
        self.tensors[name] += [[f32(generator.random() - 0.5) for _ in range(HIDDEN)]
                               for _ in range(many - VOCAB)]
        self.family.config["vocab_size"] = many
        self.family.write(self.model, self.tensors)
        write_tokenizer(self.model)
        compile_model(self.model, self.binary)
        wav = write_wav(self.tmp / "a.wav", [0.3 * math.sin(0.05 * i) for i in range(3000)])
        rows = []
        for options, language, task in (((), "en", "transcribe"),
                                        (("--language", "de", "--task", "translate"), "de",
                                         "translate")):
            tokens = self.prompt("startoftranscript", language, task, "notimestamps")
            rows.append(self.begun(*options))
            self.assertEqual(rows[-1], self.begun("--decoder-tokens", tokens))
        self.assertNotEqual(rows[0][1:], rows[1][1:])
        self.assertIn("--language: expected one that the tokenizer has a token for, as in en, got xx",
                      self.refuse(self.binary, "run", "--audio", wav, "--language", "xx"))
        self.assertIn("--task: expected a tokenizer of many languages, and no --decoder-tokens",
                      self.refuse(self.binary, "run", "--audio", wav, "--task", "translate",
                                  "--decoder-tokens", "1"))

    def refuse(self, *arguments):
        result = run(*arguments, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def test_refusals(self):
        compile_model(self.model, self.binary)
        out = ("-o", self.tmp / "l.npy")
        self.assertIn("prompt: expected features, which this model's encoder reads",
                      self.refuse(self.binary, "logits", "--tokens", "1,2", *out))
        frames = random_frames(FRAMES + 2)
        self.assertIn("features: expected an even number of rows of 8 numbers, up to 40, got 42",
                      self.refuse(self.binary, "logits", "--features", self.features(frames), *out))
        bad = write_npy(self.tmp / "bad.npy", [[1.0] * 4] * 7)
        self.assertIn("bad.npy: shape: expected [8, frames], got [7, 4]",
                      self.refuse(self.binary, "logits", "--features", bad, *out))
        bad.write_bytes(bad.read_bytes()[:-1])
        self.assertIn("expected one of 111 bytes of numbers",
                      self.refuse(self.binary, "logits", "--features", bad, *out))
        for options, message in (({"rate": 8000}, "expected 16000 samples per second, got 8000"),
                                 ({"bits": 12}, "expected PCM of 8, 16, 24 or 32 bits"),
                                 ({"channels": 0}, "expected one channel or more")):
            wav = write_wav(self.tmp / "a.wav", [0.1] * 100, **options)
            self.assertIn(message, self.refuse(self.binary, "run", "--audio", wav))
        wav = write_wav(self.tmp / "a.wav", [0.1] * 6401)
        self.assertIn("expected at most 0.4 s of sound", self.refuse(self.binary, "run", "--audio", wav))
        wav.write_bytes(b"RIFF")
        self.assertIn("expected a WAV file", self.refuse(self.binary, "run", "--audio", wav))
        self.assertIn("got one of kind encoder-decoder", self.refuse(self.binary, "run", "--chat"))

    def test_configurations(self):
        for changes, message in (
                ({"encoder_ffn_dim": 40}, "encoder_ffn_dim: expected as decoder_ffn_dim, 48, got 40"),
                ({"encoder_attention_heads": 2}, "encoder_attention_heads: expected as"),
                ({"scale_embedding": True}, "scale_embedding: expected false"),
                ({"num_mel_bins": 16},
                 "tensor model.encoder.conv1.weight[:]: expected shape [32, 48], got [32, 24]"),
                ({"num_mel_bins": 0}, "num_mel_bins: expected a size of 1 or more, got 0"),
                ({"max_source_positions": 21}, "expected shape [21, 32], got [20, 32]")):
            self.family.config = {**Whisper().config, **changes}
            model = self.family.write(self.tmp / "bad", self.tensors)
            result = stc("compile", model, "-o", self.tmp / "m", check=False)
            self.assertEqual(result.returncode, 1)
            lines = result.stderr.decode().strip().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(message, lines[0])


if __name__ == "__main__":
    unittest.main()
