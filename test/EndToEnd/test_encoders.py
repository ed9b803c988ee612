"""Every encoder computes what its published definition says, from both containers, pruned and
quantized as the interpreter does; its vectors are pooled and scaled as the checkpoint says."""
import ctypes
import json
import math
import os
import sys
import unittest

from encoders import ENCODERS, Bert, DistilBert, ModernBert, MPNet, Roberta, pooled
from family_base import HIDDEN, VOCAB
from support import (ROOT, SHARED, TemporaryDirectoryTest, compile_model, golden, interpret_logits,
                     needs_shared, read_npy, run, stc)

TOKENS = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2, 18]


def ids(tokens):
    return ",".join(map(str, tokens))


def worst(rows, want):
    return max(abs(a - b) for row, expected in zip(rows, want) for a, b in zip(row, expected))


class EncoderTest(TemporaryDirectoryTest):
    def hidden(self, binary, tokens=TOKENS):
        run(binary, "logits", "--tokens", ids(tokens), "-o", self.tmp / "h.npy")
        return read_npy(self.tmp / "h.npy")

    def vector(self, binary, *options):
        return [float(x) for x in run(binary, "embed", *options).stdout.split()]

    def write(self, family):
        tensors = family.tensors()
        return family.write(self.tmp / "hf", tensors), tensors


class Encoders(EncoderTest):
    def check(self, path, want, *options):
        binary = compile_model(path, self.tmp / "model", *options)
        rows = self.hidden(binary)
        self.assertEqual(len(rows), len(want))
        self.assertEqual(len(rows[0]), HIDDEN)
        self.assertLess(worst(rows, want), 1e-3)
        return binary

    def check_family(self, make):
        family = make()
        directory, tensors = self.write(family)
        want = family.forward(tensors, TOKENS)
        self.assertGreater(max(abs(x) for x in want[-1]), 0.5)
        # Causal attention would give other states to every token but the last.
        self.assertGreater(worst(family.forward(tensors, TOKENS[:-1]), want[:-1]), 1e-2)
        binary = self.check(directory, want)
        self.assertLess(worst([self.vector(binary, "--tokens", ids(TOKENS))], [pooled(want)]), 1e-4)
        # Texts do not see those before them, and may be as short as a token.
        for tokens in (TOKENS[:1], TOKENS[:5]):
            self.assertLess(worst(self.hidden(binary, tokens), family.forward(tensors, tokens)),
                            1e-3)
        self.check(family.write_sharded(self.tmp / "sharded", tensors), want)
        if family.gguf:
            self.check(family.write_gguf(self.tmp / "model.gguf", tensors), want)
        for prune, quantize in (("magnitude:2:4", "int8-g32"), ("none", "int4-g32")):
            self.check_compressed(directory, prune, quantize)

    def check_compressed(self, directory, prune, quantize):
        binary = compile_model(directory, self.tmp / "compressed", "--prune", prune, "--quantize",
                               quantize)
        got = self.hidden(binary)[-1]
        want = interpret_logits(directory, self.tmp / "import.mlir", prune, quantize, TOKENS)
        self.assertEqual(len(got), len(want))
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        # A code of an activation that falls on the other side of a half makes a step.
        self.assertLess(worst([got], [want]) / largest, 2e-2)

    def test_a_text_as_long_as_the_context(self):
        """Several tiles of queries and keys, on any number of threads."""
        family = ModernBert()
        family.config["max_position_embeddings"] = 512
        directory, tensors = self.write(family)
        tokens = [(7 * i * i + 3 * i) % VOCAB for i in range(200)]
        want = family.forward(tensors, tokens)
        binary = compile_model(directory, self.tmp / "model")
        for threads in (1, 2, 3):
            run(binary, "logits", "--tokens", ids(tokens), "-o", self.tmp / "h.npy", "--threads",
                threads)
            self.assertLess(worst(read_npy(self.tmp / "h.npy"), want), 1e-3)

    def test_calibrated(self):
        """What a text says about inputs of layers; a head is not needed for that."""
        family = Bert()
        directory, tensors = self.write(family)
        text = self.tmp / "text.ids"
        text.write_text(" ".join(str((i * i + 5 * i) % VOCAB) for i in range(16 * 32)))
        binary = compile_model(directory, self.tmp / "model", "--quantize", "gptq:int8-g32",
                               "--calibrate", text, "--calibrate-length", 32)
        want = family.forward(tensors, TOKENS)
        self.assertLess(worst(self.hidden(binary), want) / max(map(abs, want[-1])), 5e-2)

    def test_simulated_gpu(self):
        family = Roberta()
        directory, tensors = self.write(family)
        self.check(directory, family.forward(tensors, TOKENS), "--target", "simt")

    @needs_shared
    def test_tiny_bert(self):
        g = golden("tiny-bert")
        binary = compile_model(SHARED / "models" / "tiny-bert", self.tmp / "model")
        rows = self.hidden(binary, g["tokens"])
        self.assertEqual(len(rows), len(g["tokens"]))
        self.assertLess(worst([rows[0], rows[-1]], [g["first_logits"], g["last_logits"]]), 1e-3)
        argmax = [max(range(len(row)), key=row.__getitem__) for row in rows]
        self.assertEqual(argmax, g["argmax_per_position"])


def add_family_test(family):
    setattr(Encoders, f"test_{family.__name__}", lambda self: self.check_family(family))


for encoder in ENCODERS:
    add_family_test(encoder)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "quick", "##er", "fox", "sleeps", "!", "a"]


def word_piece(directory):
    """A tokenizer.json in BERT's form."""
    special = [{"id": i, "content": WORDS[i], "special": True, "single_word": False,
                "lstrip": False, "rstrip": False, "normalized": False} for i in range(4)]
    (directory / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0,
                                         "direction": "Right"},
        "padding": None, "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [], "special_tokens": {
                name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(WORDS)}}}))


def sentence_modules(directory, pooling, *more):
    """The files of sentence-transformers."""
    kinds = ["Transformer", "Pooling", *more]
    (directory / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "",
          "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]))
    (directory / "1_Pooling").mkdir(exist_ok=True)
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": False,
         "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False,
         "pooling_mode_mean_sqrt_len_tokens": False, **pooling}))


class Embeddings(EncoderTest):
    TEXT, IDS = "The quicker fox sleeps!", [2, 4, 5, 6, 7, 8, 9, 3]
    OTHER, OTHER_IDS = "a fox", [2, 10, 7, 3]

    def setUp(self):
        super().setUp()
        self.family = Bert()
        self.directory, self.tensors = self.write(self.family)
        word_piece(self.directory)

    def compile(self):
        return compile_model(self.directory, self.tmp / "model")

    def want(self, tokens, *how):
        return pooled(self.family.forward(self.tensors, tokens), *how)

    def test_texts(self):
        binary = self.compile()
        both = [self.want(self.IDS), self.want(self.OTHER_IDS)]
        self.assertLess(worst([self.vector(binary, "--text", self.TEXT)], both), 1e-4)
        (self.tmp / "texts").write_text(f"{self.TEXT}\n{self.OTHER}\r\n")
        lines = run(binary, "embed", "--text-file", self.tmp / "texts").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertLess(worst([map(float, line.split()) for line in lines], both), 1e-4)
        run(binary, "embed", "--text-file", self.tmp / "texts", "-o", self.tmp / "v.npy")
        self.assertLess(worst(read_npy(self.tmp / "v.npy"), both), 1e-4)
        answer = json.loads(run(binary, "embed", "--text", self.TEXT, "--text", self.OTHER,
                                "--json").stdout)["embeddings"]
        self.assertEqual([row["tokens"] for row in answer], [8, 4])
        self.assertLess(worst([row["embedding"] for row in answer], both), 1e-4)
        self.assertAlmostEqual(math.sqrt(sum(x * x for x in answer[0]["embedding"])), 1, places=6)

    def test_as_the_checkpoint_says(self):
        for how, key in (("cls", "pooling_mode_cls_token"), ("mean", "pooling_mode_mean_tokens"),
                         ("max", "pooling_mode_max_tokens"), ("last", "pooling_mode_lasttoken")):
            for more in ((), ("Normalize",)):
                with self.subTest(how=how, more=more):
                    sentence_modules(self.directory, {key: True}, *more)
                    binary = self.compile()
                    got = self.vector(binary, "--text", self.TEXT)
                    self.assertLess(worst([got], [self.want(self.IDS, how, bool(more))]), 1e-3)
                    info = json.loads(run(binary, "info", "--json").stdout)
                    self.assertEqual((info["kind"], info["pooling"], info["normalize"]),
                                     ("encoder", how, bool(more)))

    def test_pooling_of_gguf(self):
        for number, how in ((0, "mean"), (1, "mean"), (2, "cls"), (3, "last")):
            metadata, renamed = self.family.to_gguf(self.tensors)
            metadata["bert.pooling_type"] = number
            self.family.to_gguf = lambda tensors: (metadata, renamed)
            path = self.family.write_gguf(self.tmp / "m.gguf", self.tensors)
            binary = compile_model(path, self.tmp / "model")
            got = self.vector(binary, "--tokens", ids(self.IDS))
            self.assertLess(worst([got], [self.want(self.IDS, how)]), 1e-4)

    def test_library(self):
        stc("compile", self.directory, "-o", self.tmp / "bert", "--emit=shared", "--quiet")
        header = (self.tmp / "bert.h").read_text()
        self.assertIn("int bert_embed(bert_t *model, const int32_t *tokens", header)
        library = ctypes.CDLL(str(self.tmp / "bert.so"))
        library.bert_open.restype = ctypes.c_void_p
        library.bert_hidden_size.restype = ctypes.c_int64
        error = ctypes.create_string_buffer(200)
        model = ctypes.c_void_p(library.bert_open(str(self.tmp / "bert.weights").encode(), 1, error,
                                                  200))
        self.assertTrue(model, error.value)
        self.assertEqual(library.bert_hidden_size(model), HIDDEN)
        vector = (ctypes.c_float * HIDDEN)()
        tokens = (ctypes.c_int32 * len(self.IDS))(*self.IDS)
        self.assertEqual(library.bert_embed(model, tokens, ctypes.c_int64(len(self.IDS)), vector,
                                            error, 200), 0, error.value)
        self.assertLess(worst([vector], [self.want(self.IDS)]), 1e-4)
        library.bert_close(model)
        # The same through the Python package.
        script = ("import stc, sys\nwith stc.Model(sys.argv[1]) as model:\n"
                  "    assert model.hidden_size == len(model.embed('a fox'))\n"
                  "    print(*map(float, model.embed(sys.argv[2])))")
        text = run(sys.executable, "-c", script, self.tmp / "bert.so", self.TEXT,
                   env={**os.environ, "PYTHONPATH": str(ROOT / "python-frontend-stub")}).stdout
        self.assertLess(worst([map(float, text.split())], [self.want(self.IDS)]), 1e-4)

    def test_bench(self):
        result = json.loads(run(self.compile(), "bench", "--prompt-tokens", 16, "--seconds", 0,
                                "--json").stdout)
        self.assertGreater(result["prefill_tokens_per_second"], 0)
        self.assertIsNone(result["decode_tokens_per_second"])
        text = run(self.compile(), "bench", "--prompt-tokens", 16, "--seconds", 0).stdout.decode()
        self.assertIn("prefill", text)
        self.assertNotIn("decode", text)

    def refused(self, binary, *arguments):
        result = run(binary, *arguments, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def test_what_an_encoder_does_not_do(self):
        binary = self.compile()
        for arguments in (("run", "-p", "the"), ("run", "--chat", "-p", "the")):
            line = self.refused(binary, *arguments)
            self.assertRegex(line, r"^error: .*: model: expected a decoder, which continues texts, "
                                   r"got one of kind encoder \(it offers embed, serve, ")
        self.assertIn("an encoder, which reads each text", self.refused(binary, "bench",
                                                                      "--generate", 4))

    def test_texts_that_do_not_fit(self):
        binary = self.compile()
        self.assertIn("--text: expected 1 to 64 tokens (the context this model was compiled for), "
                      "got 72", self.refused(binary, "embed", "--text", "fox " * 70))
        (self.tmp / "texts").write_text("fox\n" + "fox " * 70)
        self.assertIn("texts: line 2: expected 1 to 64 tokens",
                      self.refused(binary, "embed", "--text-file", self.tmp / "texts", "-o",
                                   self.tmp / "v.npy"))
        self.assertFalse((self.tmp / "v.npy").exists())
        self.assertIn(f"token 1: expected an id from 0 to {VOCAB - 1}, got {VOCAB}",
                      self.refused(binary, "embed", "--tokens", f"1,{VOCAB}"))
        (self.tmp / "empty").write_text("")
        self.assertIn("expected at least one line",
                      self.refused(binary, "embed", "--text-file", self.tmp / "empty"))


class BadInput(EncoderTest):
    def error(self, directory, *options):
        result = stc("compile", directory, "-o", self.tmp / "m", *options, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse((self.tmp / "m").exists())
        return lines[0]

    def test_configurations(self):
        for family, expected in (
                (Bert(position_embedding_type="relative_key"),
                 "position_embedding_type: expected absolute, got 'relative_key'"),
                (Bert(is_decoder=True), "is_decoder: expected false"),
                (Bert(type_vocab_size=0), "type_vocab_size: expected a size of 1 or more, got 0"),
                (Bert(type_vocab_size=3), "token_type_embeddings.weight: expected shape [3, 32]"),
                (Roberta(pad_token_id=65), "pad_token_id: expected a token from 0 to 64"),
                (Roberta(pad_token_id=60), "expected up to the 5 positions"),
                (MPNet(relative_attention_num_buckets=7),
                 "relative_attention_num_buckets: expected an even number from 4"),
                (MPNet(pad_token_id=65), "pad_token_id: expected a token from 0 to 64"),
                (ModernBert(norm_bias=True), "norm_bias: expected false"),
                (ModernBert(local_attention=0), "local_attention: expected a width of 1 or more"),
                (ModernBert(global_attn_every_n_layers=0), "expected a number of 1 or more, got 0"),
                (ModernBert(layer_types=["full_attention"]), "layer_types: expected a list of 4")):
            directory, _ = self.write(family)
            self.assertIn(expected, self.error(directory))

    def test_tensors(self):
        family = DistilBert()
        for change, expected in (
                (lambda t: t.pop("distilbert.transformer.layer.1.sa_layer_norm.bias"),
                 "sa_layer_norm.bias: expected shape [32], got no such tensor"),
                (lambda t: t.update({"distilbert.transformer.layer.2.ffn.lin1.bias": [1.0]}),
                 "lin1.bias: expected only tensors of distilbert, got an unknown one"),
                (lambda t: t.update({"distilbert.embeddings.LayerNorm.bias": [1.0]}),
                 "LayerNorm.bias: expected shape [32], got [1]")):
            tensors = family.tensors()
            change(tensors)
            self.assertIn(expected, self.error(family.write(self.tmp / "hf", tensors)))

    def test_heads_are_noted(self):
        family = Bert()
        tensors = family.tensors()
        tensors["cls.predictions.bias"] = [0.0] * VOCAB
        tensors["pooler.dense.bias"] = [0.0] * HIDDEN
        directory = family.write(self.tmp / "hf", tensors)
        result = stc("compile", directory, "-o", self.tmp / "m")
        self.assertIn("note: tensors of a head are not used, an encoder ends with hidden states: "
                      "cls.predictions.bias and 1 more", result.stderr.decode())

    def test_sentence_modules(self):
        directory, _ = self.write(Bert())
        sentence_modules(directory, {"pooling_mode_mean_tokens": True}, "Dense")
        self.assertIn("modules.json: [2].type: expected a module Transformer, Pooling or Normalize",
                      self.error(directory))
        sentence_modules(directory, {"pooling_mode_mean_sqrt_len_tokens": True})
        self.assertIn("pooling_mode_mean_sqrt_len_tokens: expected false", self.error(directory))
        sentence_modules(directory, {"pooling_mode_mean_tokens": True,
                                     "pooling_mode_cls_token": True})
        self.assertIn("expected one pooling_mode_* that is true, got 2", self.error(directory))
        text = (directory / "modules.json").read_text()
        (directory / "modules.json").write_text(text.replace("1_Pooling", "../secret"))
        self.assertIn("[1].path: expected the name of a folder", self.error(directory))

    def test_what_gguf_cannot_say(self):
        family = Bert()
        tensors = family.tensors()
        for key, value, expected in (("attention.causal", True, "expected false, got true"),
                                     ("pooling_type", 4, "expected 0 (unspecified), 1 (mean)")):
            metadata, renamed = family.to_gguf(tensors)
            metadata["bert." + key] = value
            own = Bert()
            own.to_gguf = lambda tensors: (metadata, renamed)
            self.assertIn(expected, self.error(own.write_gguf(self.tmp / "m.gguf", tensors)))


if __name__ == "__main__":
    unittest.main()
