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

    def test_simulated_gpu(self):
        """The stem's rows are unfolded in between, as for processors."""
        compile_model(self.model, self.binary, "--target", "simt")
        frames = random_frames(FRAMES)
        got = self.logits("--features", self.features(frames))
        self.assertLess(self.worst(got, self.family.forward(self.tensors, frames, WRITTEN)), 1e-3)

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

    def many_languages(self, generation=None):
        """A model whose vocabulary is as large as those of many languages. Which models have them is
        known by the size of their vocabulary alone."""
        many = 51865
        generator = random.Random(9)
        name = "model.decoder.embed_tokens.weight"
        self.tensors[name] += [[f32(generator.random() - 0.5) for _ in range(HIDDEN)]
                               for _ in range(many - VOCAB)]
        self.family.config["vocab_size"] = many
        self.family.write(self.model, self.tensors)
        write_tokenizer(self.model)
        if generation:
            (self.model / "generation_config.json").write_text(json.dumps(generation))
        compile_model(self.model, self.binary)
        return self.sound(3000)

    def sound(self, length, name="a.wav", step=0.05):
        self.samples = [round(0.3 * math.sin(step * i) * 32768) / 32768 for i in range(length)]
        return write_wav(self.tmp / name, self.samples)

    def heard(self, written):
        """Logits behind what is written for the last sound, by the definition."""
        padded = self.samples + [0.0] * (FRAMES * 160 - len(self.samples))
        return self.family.forward(self.tensors, log_mel(padded, Whisper.BINS), written)

    def language(self):
        """Radford et al. 2022, section 2.3: of the languages the likeliest behind the first token."""
        row = self.heard([FIRST_SPECIAL])[-1]
        return max(("en", "de"), key=lambda name: row[FIRST_SPECIAL + SPECIAL.index(name)])

    def test_prompt_of_many_languages(self):
        wav = self.many_languages()
        heard = self.language()
        other = {"en": "de", "de": "en"}[heard]
        rows = []
        for options, language, task in (((), heard, "transcribe"),
                                        (("--language", other, "--task", "translate"), other,
                                         "translate")):
            tokens = self.prompt("startoftranscript", language, task, "notimestamps")
            rows.append(self.begun(*options))
            self.assertEqual(rows[-1], self.begun("--decoder-tokens", tokens))
        self.assertNotEqual(rows[0][1:], rows[1][1:])
        said = run(self.binary, "run", "--audio", wav, "-n", 1).stderr.decode()
        self.assertTrue(said.startswith(f"language: {heard}\n"), said)
        for options in (("--quiet",), ("--language", heard)):
            said = run(self.binary, "run", "--audio", wav, "-n", 1, *options).stderr.decode()
            self.assertNotIn("language", said)
        for language in ("xx", "transcribe"):
            self.assertIn("--language: expected one that the tokenizer has a token for, as in en, "
                          f"got {language}",
                          self.refuse(self.binary, "run", "--audio", wav, "--language", language))
        self.assertIn("--task: expected a tokenizer of many languages, and no --decoder-tokens",
                      self.refuse(self.binary, "run", "--audio", wav, "--task", "translate",
                                  "--decoder-tokens", "1"))

    def test_both_languages_are_heard(self):
        """Whichever it is: the other one where their rows of the head are exchanged."""
        wav = self.many_languages()
        before = self.language()
        en, de = (FIRST_SPECIAL + SPECIAL.index(name) for name in ("en", "de"))
        table = self.tensors["model.decoder.embed_tokens.weight"]
        table[en], table[de] = table[de], table[en]
        self.family.write(self.model, self.tensors)
        compile_model(self.model, self.binary)
        self.assertNotEqual(self.language(), before)
        said = run(self.binary, "run", "--audio", wav, "-n", 1).stderr.decode()
        self.assertTrue(said.startswith(f"language: {self.language()}\n"), said)

    def test_forced_tokens(self):
        """As published files have them: no language, one language, and none of Whisper's."""
        first, en, de, transcribe, translate, last = range(FIRST_SPECIAL, FIRST_SPECIAL + 6)
        self.many_languages({"forced_decoder_ids": [[1, None], [2, translate]],
                             "lang_to_id": {"<|en|>": en, "<|de|>": de}})
        heard = FIRST_SPECIAL + SPECIAL.index(self.language())
        for options, want in (((), [first, heard, translate, last]),
                              (("--task", "transcribe"), [first, heard, transcribe, last]),
                              (("--language", "de"), [first, de, translate, last])):
            self.assertEqual(self.begun(*options), self.begun("--decoder-tokens", ids(want)))
        # Of those that the file lists alone.
        (self.model / "generation_config.json").write_text(json.dumps(
            {"forced_decoder_ids": [[1, None], [2, transcribe], [3, last]],
             "lang_to_id": {"<|de|>": de}}))
        compile_model(self.model, self.binary)
        self.assertEqual(self.begun(), self.begun("--decoder-tokens",
                                                  ids([first, de, transcribe, last])))

    def test_forced_tokens_of_one_language(self):
        write_tokenizer(self.model)
        last = FIRST_SPECIAL + SPECIAL.index("notimestamps")
        (self.model / "generation_config.json").write_text(
            json.dumps({"forced_decoder_ids": [[1, last]]}))
        compile_model(self.model, self.binary)
        self.sound(3000)
        self.assertEqual(self.begun(), self.begun("--decoder-tokens", ids([FIRST_SPECIAL, last])))

    def written(self, *options, count=6):
        text = run(self.binary, "run", *options, "-n", count, "--temperature", "0", "--ignore-eos",
                   "--print-tokens", "--quiet").stdout
        return [int(token) for token in text.split()]

    def greedy(self, count, always=(), first=()):
        written = [3]
        for i in range(count):
            row = self.heard(written)[-1]
            barred = set(always) | (set(first) if i == 0 else set())
            written.append(max((t for t in range(VOCAB) if t not in barred), key=row.__getitem__))
        return written[1:]

    def test_suppressed_tokens(self):
        self.sound(3000)
        free = self.greedy(6)
        once = self.greedy(6, first=free[:1])
        never = self.greedy(6, always=once[:2], first=free[:1])
        self.assertTrue(free != once != never)
        self.assertNotEqual(free, never)
        for settings, where, want in (
                ({}, "generation_config.json", free),
                ({"begin_suppress_tokens": free[:1]}, "generation_config.json", once),
                ({"begin_suppress_tokens": free[:1], "suppress_tokens": once[:2]},
                 "generation_config.json", never),
                # Old checkpoints say it here.
                ({"begin_suppress_tokens": free[:1], "suppress_tokens": once[:2]}, "config.json",
                 never)):
            path = self.model / where
            (self.model / "generation_config.json").unlink(missing_ok=True)
            before = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps({**before, **settings}))
            compile_model(self.model, self.binary)
            self.assertEqual(self.written("--audio", self.tmp / "a.wav"), want, settings)

    def test_windows(self):
        """What is longer than the model reads at once is as if it were cut."""
        for name, matrix in self.tensors.items():
            if name.endswith("encoder_attn.out_proj.weight"):  # so that texts depend on sounds
                self.tensors[name] = [[8 * x for x in row] for row in matrix]
        self.family.write(self.model, self.tensors)
        compile_model(self.model, self.binary)
        length, cut = FRAMES * 160, []
        generator = random.Random(4)
        samples = [round((0.4 * math.sin(0.02 * i * (1 + i / length) ** 2) +
                          0.1 * generator.gauss(0, i // length)) * 32768) / 32768
                   for i in range(2 * length + 700)]
        samples = [max(-1.0, min(x, 0.99)) for x in samples]
        for first in range(0, len(samples), length):
            wav = write_wav(self.tmp / "part.wav", samples[first:first + length])
            cut.append(self.written("--audio", wav))
        self.assertEqual(len(cut), 3)
        self.assertNotEqual(cut[0], cut[1])
        whole = write_wav(self.tmp / "whole.wav", samples)
        self.assertEqual(self.written("--audio", whole), sum(cut, []))
        self.assertIn("expected at most 0.4 s of sound",
                      self.refuse(self.binary, "logits", "--audio", whole, "-o", self.tmp / "l.npy"))

    def test_bad_generation(self):
        for settings, message in (
                ({"suppress_tokens": [1, VOCAB]}, "suppress_tokens: expected token ids from 0 to"),
                ({"suppress_tokens": [-1]}, "suppress_tokens: expected token ids from 0 to"),
                ({"suppress_tokens": 3}, "suppress_tokens: expected a list of up to 1024 token ids"),
                ({"begin_suppress_tokens": ["a"]}, "begin_suppress_tokens: expected integers"),
                ({"forced_decoder_ids": [[2, 5]]},
                 "forced_decoder_ids: expected a list of [position, token], the positions 1, 2, 3"),
                ({"forced_decoder_ids": [[1, 5], [2, None]]}, "forced_decoder_ids: expected a list"),
                ({"forced_decoder_ids": [[1, VOCAB]]}, "forced_decoder_ids: expected token ids from"),
                ({"forced_decoder_ids": {}}, "forced_decoder_ids: expected a list of [position"),
                ({"lang_to_id": {"<|en|>": VOCAB}}, "lang_to_id: expected token ids from 0 to"),
                ({"lang_to_id": [1]}, "lang_to_id: expected an object of languages")):
            (self.model / "generation_config.json").write_text(json.dumps(settings))
            result = stc("compile", self.model, "-o", self.tmp / "m", check=False)
            self.assertEqual(result.returncode, 1, settings)
            lines = result.stderr.decode().strip().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(message, lines[0])

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
