"""Vision transformers: from checkpoints and image files to hidden states, vectors and labels."""
import json
import math
import os
import random
import re
import struct
import sys
import unittest

from encoders import Bert, pooled
from family_base import HIDDEN, flatten
from support import (BIN, ROOT, TemporaryDirectoryTest, compile_model, read_npy, run, stc, write_npy)
from vision import (VISION, DeiT, ViT, ViTModel, png, png_chunk, preprocess, random_image, random_pixels,
                    rgb_png, write_ppm)


def write_pixels(path, pixels, extra=()):
    """A float32 array [3, height, width]."""
    shape = (*extra, 3, len(pixels[0]), len(pixels[0][0]))
    header = str({"descr": "<f4", "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    numbers = flatten(pixels)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                     struct.pack(f"<{len(numbers)}f", *numbers))
    return path


def softmax(logits):
    weights = [math.exp(x - max(logits)) for x in logits]
    return [w / sum(weights) for w in weights]


class VisionTest(TemporaryDirectoryTest):
    def make(self, family, **changes):
        self.family = family(**changes)
        self.tensors = self.family.tensors()
        self.model = self.family.write(self.tmp / "hf", self.tensors)
        self.binary = self.tmp / "model"

    def processor(self, **settings):
        (self.model / "preprocessor_config.json").write_text(json.dumps(settings))

    def states(self, *options):
        run(self.binary, "logits", *options, "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def classify(self, *options):
        """The logits of all labels of one image, in their order."""
        text = run(self.binary, "classify", *options, "--top", 100, "--json").stdout
        labels = json.loads(text)["images"][0]["labels"]
        self.assertEqual([entry["logit"] for entry in labels],
                         sorted((entry["logit"] for entry in labels), reverse=True))
        return [entry["logit"] for entry in sorted(labels, key=lambda entry: entry["id"])]

    def worst(self, rows, want):
        self.assertEqual(len(rows), len(want))
        return max(abs(a - b) for row, expected in zip(rows, want)
                   for a, b in zip(row, expected))

    def refuse(self, *arguments):
        result = run(*arguments, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        return lines[0]


class Models(VisionTest):
    def test_families(self):
        for family in VISION:
            with self.subTest(family.__name__):
                self.make(family)
                compile_model(self.model, self.binary)
                pixels = random_pixels(family.size)
                want = self.family.forward(self.tensors, pixels)
                self.assertGreater(max(map(abs, want[0])), 0.5)
                file = write_pixels(self.tmp / "p.npy", pixels)
                self.assertLess(self.worst(self.states("--features", file), want), 1e-3)
                if not family.heads:
                    self.assertIn("expected a vision transformer with a head that classifies",
                                  self.refuse(self.binary, "classify", "--features", file))
                    continue
                logits = self.family.classify(self.tensors, pixels)
                self.assertGreater(max(logits) - min(logits), 0.3)
                self.assertLess(self.worst([self.classify("--features", file)], [logits]), 1e-3)

    def test_sharded(self):
        self.make(DeiT)
        model = self.family.write_sharded(self.tmp / "sharded", self.tensors)
        compile_model(model, self.binary)
        pixels = random_pixels(DeiT.size)
        file = write_pixels(self.tmp / "p.npy", pixels, extra=(1,))
        want = self.family.forward(self.tensors, pixels)
        self.assertLess(self.worst(self.states("--features", file), want), 1e-3)

    def test_many_threads(self):
        self.make(ViT)
        compile_model(self.model, self.binary)
        file = write_pixels(self.tmp / "p.npy", random_pixels(ViT.size))
        self.assertEqual(self.states("--features", file, "--threads", 1),
                         self.states("--features", file, "--threads", 5))

    def test_simulated_gpu(self):
        """What kernels for GPUs compute, on processors."""
        self.make(DeiT)
        compile_model(self.model, self.binary, "--target", "simt")
        pixels = random_pixels(DeiT.size)
        file = write_pixels(self.tmp / "p.npy", pixels)
        want = self.family.forward(self.tensors, pixels)
        self.assertLess(self.worst(self.states("--features", file), want), 1e-3)
        logits = self.family.classify(self.tensors, pixels)
        self.assertLess(self.worst([self.classify("--features", file)], [logits]), 1e-3)

    def test_compressed(self):
        """The program agrees with the interpreter on the same compressed weights."""
        self.make(ViT)
        pixels = random_pixels(ViT.size)
        file = write_pixels(self.tmp / "p.npy", pixels)
        patches = [[0.0] * 48] + [
            [pixels[c][top + y][left + x] for c in range(3) for y in range(4) for x in range(4)]
            for top in (0, 4) for left in (0, 4, 8)]
        rows = ",".join(repr(x) for row in patches for x in row)
        whole = self.family.classify(self.tensors, pixels)
        for prune, quantize in (("none", "int8-g32"), ("magnitude:2:4", "none"),
                                ("magnitude:2:4", "int8-g32"), ("none", "int4-g32")):
            with self.subTest(f"{prune} {quantize}"):
                compile_model(self.model, self.binary, "--prune", prune, "--quantize", quantize,
                              "--kv-cache", "f32")
                stc("compile", self.model, "--emit=mlir:import", "--kv-cache", "f32", "-o",
                    self.tmp / "m.mlir", "--quiet")
                text = run(BIN / "stc-opt", self.tmp / "m.mlir",
                           f"--stc-to-packed=prune={prune} quantize={quantize}",
                           f"--stc-interpret=tokens=0,1,1,1,1,1,1 all max=100 rows={rows}", "-o",
                           "/dev/null").stdout.decode()
                first = text.split("logits", 2)[1]
                want = [float(x) for x in re.findall(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?", first)]
                self.assertEqual(len(want), len(whole))
                self.assertGreater(self.worst([whole], [want]), 1e-4)
                self.assertLess(self.worst([self.classify("--features", file)], [want]), 1e-3)

    def test_stc_on_a_checkpoint(self):
        self.make(ViT)
        image = write_ppm(self.tmp / "a.ppm", random_image(8, 12))
        run(BIN / "stc", "classify", self.model, "--image", image, env=self.environment())
        line = run(BIN / "stc", "embed", self.model, "--image", image,
                   env=self.environment()).stdout.split()
        self.assertEqual(len(line), HIDDEN)
        run(BIN / "stc", "logits", self.model, "--image", image, "-o", self.tmp / "l.npy",
            env=self.environment())
        self.assertEqual(len(read_npy(self.tmp / "l.npy")), 7)

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.tmp / "cache")}

    def test_inspect_info_and_bench(self):
        self.make(DeiT)
        compile_model(self.model, self.binary, "--quantize", "int8")
        info = json.loads(run(self.binary, "info", "--json").stdout)
        self.assertEqual(info["image"], {"height": 8, "width": 12, "patch_height": 4,
                                         "patch_width": 4, "positions": 8, "labels": 4})
        self.assertIn(b"12 x 8 pixels, patches of 4 x 4, 4 labels", run(self.binary, "info").stdout)
        layers = json.loads(stc("inspect", self.binary, "--json").stdout)["layers"]
        names = {layer["name"]: layer["shape"] for layer in layers}
        self.assertEqual(names["patch_embed"], [HIDDEN, 48])
        self.assertEqual(names["classifier"], [8, HIDDEN])
        bench = json.loads(run(self.binary, "bench", "--seconds", "0", "--json").stdout)
        self.assertGreater(bench["images_per_second"], 0)
        self.assertIsNone(bench["decode_tokens_per_second"])
        self.assertIn("--prompt-tokens: expected a model that reads texts",
                      self.refuse(self.binary, "bench", "--prompt-tokens", 4))

    def test_other_commands_refuse(self):
        self.make(ViT)
        compile_model(self.model, self.binary)
        out = ("-o", self.tmp / "l.npy")
        offers = "got one of kind encoder that reads images (it offers classify, embed, logits"
        for arguments in (("run", "-p", "a"), ("eval", "--tokens-file", self.tmp / "t"),
                          ("embed", "--tokens", "1,2")):
            (self.tmp / "t").write_text("1 2 3")
            self.assertIn(offers, self.refuse(self.binary, *arguments))
        self.assertIn("model: expected an encoder, which turns texts into vectors, " + offers,
                      self.refuse(self.binary, "logits", "--tokens", "0,1", *out))
        self.assertIn("expected a model that reads sound",
                      self.refuse(self.binary, "logits", "--audio", "a.wav", *out))

    def test_texts_refuse_images(self):
        bert = Bert()
        compile_model(bert.write(self.tmp / "bert", bert.tensors()), self.tmp / "b")
        image = write_ppm(self.tmp / "a.ppm", random_image(4, 4))
        for arguments in (("embed",), ("logits", "-o", self.tmp / "l.npy")):
            self.assertIn("expected a vision transformer, which reads images, got one of kind encoder",
                          self.refuse(self.tmp / "b", *arguments, "--image", image))
        self.assertIn("expected a vision transformer with a head that classifies",
                      self.refuse(self.tmp / "b", "classify", "--image", image))

    def test_options_that_need_texts(self):
        self.make(ViT)
        for options, message in (
                (("--calibrate", "default", "--quantize", "int8"), "--calibrate: expected a model"),
                (("--budget", "kl<=0.02"), "--budget: expected"),
                (("--rotate",), "--rotate: expected a model that reads texts"),
                (("--prune-heads", "0.5"), "--prune-heads"),
                (("--attention", "window:4"), "--attention: expected"),
                (("--max-context", "64"), "max-context: expected none: an image has 7 positions"),
                (("--report", self.tmp / "r.html"), "--report: expected a model that reads texts"),
                (("--emit=gguf",), "--emit: expected exe")):
            error = self.refuse(BIN / "stc", "compile", self.model, "-o", self.tmp / "m", *options)
            self.assertIn(message, error)
            self.assertFalse((self.tmp / "m").exists())


class Images(VisionTest):
    def test_image_files(self):
        """What ViTImageProcessor makes of images of several sizes, by all filters."""
        for resample, (height, width), changes in (
                (2, (37, 53), {}), (3, (30, 20), {"image_mean": [0.485, 0.456, 0.406],
                                                  "image_std": [0.229, 0.224, 0.225]}),
                (1, (5, 7), {"rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": 1.0}),
                (0, (9, 50), {}), (4, (64, 12), {}), (5, (20, 31), {"do_normalize": False}),
                (3, (8, 12), {"do_rescale": False, "image_mean": 100, "image_std": 50})):
            with self.subTest(resample):
                self.make(ViT)
                self.processor(size={"height": 8, "width": 12}, resample=resample,
                               image_processor_type="ViTImageProcessor", **changes)
                compile_model(self.model, self.binary)
                image = random_image(height, width, seed=height)
                mean, std = changes.get("image_mean", 0.5), changes.get("image_std", 0.5)
                if changes.get("do_normalize") is False:
                    mean, std = 0, 1
                rescale = changes.get("rescale_factor", 1 / 255)
                pixels = preprocess(
                    image, 8, 12, resample=resample,
                    rescale=1 if changes.get("do_rescale") is False else rescale,
                    mean=mean if isinstance(mean, list) else [mean] * 3,
                    std=std if isinstance(std, list) else [std] * 3)
                want = self.family.forward(self.tensors, pixels)
                (self.tmp / "a.png").write_bytes(rgb_png(image))
                for file in (write_ppm(self.tmp / "a.ppm", image), self.tmp / "a.png"):
                    self.assertLess(self.worst(self.states("--image", file), want), 1e-3)

    def test_crops(self):
        for settings, resized in (
                ({"size": 16, "crop_size": {"height": 8, "width": 12}}, (16, 16)),
                ({"size": {"height": 10, "width": 15}, "crop_size": {"height": 8, "width": 12},
                  "do_center_crop": True, "resample": 3}, (10, 15)),
                ({"size": {"shortest_edge": 13}, "crop_size": {"height": 8, "width": 12}}, (13, 19))):
            with self.subTest(settings):
                self.make(DeiT)
                self.processor(feature_extractor_type="DeiTFeatureExtractor", **settings)
                compile_model(self.model, self.binary)
                image = random_image(21, 31)  # no mean of it lies between two bytes
                pixels = preprocess(image, 8, 12, resized=resized, resample=3)
                want = self.family.forward(self.tensors, pixels)
                file = write_ppm(self.tmp / "a.ppm", image)
                self.assertLess(self.worst(self.states("--image", file), want), 1e-3)

    def test_without_a_processor(self):
        """The family's own: DeiT's scales to 256 / 224 of what it cuts out."""
        self.make(DeiT)
        compile_model(self.model, self.binary)
        image = random_image(40, 40)
        pixels = preprocess(image, 8, 12, resized=(9, 13), resample=3)
        want = self.family.forward(self.tensors, pixels)
        self.assertLess(self.worst(self.states("--image", write_ppm(self.tmp / "a.ppm", image)),
                                   want), 1e-3)

    def test_embed(self):
        self.make(ViTModel)
        compile_model(self.model, self.binary)
        image, other = random_image(8, 12), random_image(8, 12, seed=2)
        first, second = write_ppm(self.tmp / "a.ppm", image), write_ppm(self.tmp / "b.ppm", other)
        want = [self.family.forward(self.tensors, preprocess(x, 8, 12)) for x in (image, other)]
        run(self.binary, "embed", "--image", first, "--image", second, "-o", self.tmp / "v.npy")
        self.assertLess(self.worst(read_npy(self.tmp / "v.npy"), [x[0] for x in want]), 1e-3)
        text = json.loads(run(self.binary, "embed", "--image", first, "--json").stdout)
        self.assertEqual(text["embeddings"][0]["image"], str(first))
        self.assertLess(self.worst([text["embeddings"][0]["embedding"]], [want[0][0]]), 1e-3)
        # As sentence-transformers' files say, where there are some.
        (self.model / "1_Pooling").mkdir()
        (self.model / "1_Pooling" / "config.json").write_text(json.dumps(
            {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}))
        compile_model(self.model, self.binary)
        line = run(self.binary, "embed", "--image", first).stdout.split()
        self.assertLess(self.worst([list(map(float, line))],
                                   [pooled(want[0], "mean", scaled=False)]), 1e-3)

    def test_classify(self):
        self.make(ViT)
        compile_model(self.model, self.binary)
        image = random_image(8, 12)
        file = write_ppm(self.tmp / "a.ppm", image)
        logits = self.family.classify(self.tensors, preprocess(image, 8, 12))
        order = sorted(range(4), key=lambda i: -logits[i])
        probabilities = softmax(logits)
        lines = run(self.binary, "classify", "--image", file).stdout.decode().splitlines()
        self.assertEqual([line.split("  ", 1)[1] for line in lines],
                         [ViT.labels[i] for i in order])
        for line, i in zip(lines, order):
            self.assertAlmostEqual(float(line.split()[0]), probabilities[i], delta=1e-3)
        both = run(self.binary, "classify", "--image", file, "--image", file, "--top", 1)
        self.assertEqual(len(both.stdout.splitlines()), 2)
        self.assertTrue(both.stdout.decode().startswith(f"{file}  0."))
        self.family.config["problem_type"] = "multi_label_classification"
        self.family.write(self.model, self.tensors)
        compile_model(self.model, self.binary)
        answer = json.loads(run(self.binary, "classify", "--image", file, "--json").stdout)
        for entry in answer["images"][0]["labels"]:
            self.assertEqual(entry["label"], ViT.labels[entry["id"]])
            self.assertAlmostEqual(entry["probability"],
                                   1 / (1 + math.exp(-logits[entry["id"]])), delta=1e-3)

    def test_library(self):
        """The C interface, by the Python package."""
        self.make(ViT)
        stc("compile", self.model, "--emit=shared", "-o", self.tmp / "net", "--quiet")
        sys.path.insert(0, str(ROOT / "python-frontend-stub"))
        import stc as package
        image = random_image(8, 12)
        file = self.tmp / "a.png"
        file.write_bytes(rgb_png(image))
        pixels = preprocess(image, 8, 12)
        logits = self.family.classify(self.tensors, pixels)
        with package.Model(self.tmp / "net.so") as model:
            self.assertEqual(model.labels, ViT.labels)
            vector = list(model.embed_image(file))
            self.assertLess(self.worst([vector], [self.family.forward(self.tensors, pixels)[0]]),
                            1e-3)
            answer = model.classify(file.read_bytes(), top=2)
            order = sorted(range(4), key=lambda i: -logits[i])[:2]
            self.assertEqual([name for name, _ in answer], [ViT.labels[i] for i in order])
            self.assertAlmostEqual(answer[0][1], logits[order[0]], delta=1e-3)
            with self.assertRaisesRegex(package.ModelError, "expected a PNG, JPEG or binary PPM"):
                model.embed_image(b"nothing")
            with self.assertRaisesRegex(package.ModelError, "turns texts into vectors"):
                model.embed([0, 1])


class Hostile(VisionTest):
    def setUp(self):
        super().setUp()
        self.make(ViT)
        compile_model(self.model, self.binary)

    def try_file(self, data, name="x"):
        (self.tmp / name).write_bytes(data)
        return run(self.binary, "embed", "--image", self.tmp / name, check=False)

    def test_kinds_of_png(self):
        """Depths, palettes, grey and transparency: the colours that Pillow's convert("RGB") gives."""
        height, width = 8, 12
        generator = random.Random(4)
        grey = [[generator.randrange(16) for _ in range(width)] for _ in range(height)]
        palette = [tuple(generator.randrange(256) for _ in range(3)) for _ in range(16)]
        full = [[(17 * v,) * 3 for v in row] for row in grey]

        def packed(rows, bits):
            per = 8 // bits
            return [bytes(sum(v << (8 - bits * (i + 1)) for i, v in enumerate(row[at:at + per]))
                          for at in range(0, width, per)) for row in rows]

        cases = [
            (png(width, height, 4, 0, packed(grey, 4)), full),
            (png(width, height, 4, 3, packed(grey, 4), palette=palette, transparency=b"\0\x80"),
             [[palette[v] for v in row] for row in grey]),
            (png(width, height, 8, 3, [bytes(row) for row in grey], palette=palette),
             [[palette[v] for v in row] for row in grey]),
            (png(width, height, 1, 0, packed([[v & 1 for v in row] for row in grey], 1)),
             [[(255 * (v & 1),) * 3 for v in row] for row in grey]),
            (png(width, height, 16, 0, [b"".join(bytes((17 * v, 200)) for v in row)
                                        for row in grey]), full),
            (png(width, height, 8, 4, [b"".join(bytes((17 * v, i)) for i, v in enumerate(row))
                                       for row in grey]), full),
            (png(width, height, 8, 6, [b"".join(bytes((*palette[v], 3)) for v in row)
                                       for row in grey]),
             [[palette[v] for v in row] for row in grey]),
            (png(width, height, 16, 2, [b"".join(bytes(x for c in palette[v] for x in (c, 99))
                                                 for v in row) for row in grey]),
             [[palette[v] for v in row] for row in grey])]
        for i, (data, image) in enumerate(cases):
            with self.subTest(i):
                result = self.try_file(data)
                self.assertEqual(result.returncode, 0, result.stderr)
                write_ppm(self.tmp / "same.ppm", image)
                same = run(self.binary, "embed", "--image", self.tmp / "same.ppm").stdout
                self.assertEqual(result.stdout, same)

    def test_refused(self):
        image = random_image(8, 12)
        data = rgb_png(image)
        huge = bytearray(data)
        huge[16:24] = struct.pack(">II", 60000, 60000)

        def header(width, height):
            return (data[:8] + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0,
                                                              0)) + data[33:])

        for content, message in (
                (b"", "expected a PNG, JPEG or binary PPM image, got an empty file"),
                (b"GIF89a....", "got another kind of file"),
                (b"\xff\xd8\xff\xe0", "JPEG: expected a whole and valid image"),
                (data[:50], "PNG: expected a whole and valid image, got the file is cut off"),
                (bytes(huge), "PNG: expected a whole and valid image"),
                (header(60000, 60000), "size: expected at most 67108864 pixels, got 60000 x 60000"),
                (header(8000, 8000), "expected as many bytes as its image needs"),
                (header(0, 0), "PNG: expected a whole and valid image"),
                (b"P6 0 0 255\n", "size: expected one pixel or more, got 0 x 0"),
                (b"P6 2 2 255\nab", "expected 12 bytes of pixels, got 2"),
                (b"P6 99999999999 99999999999 255\n", "size: expected at most 67108864 pixels"),
                (b"P6 2", "expected a width, a height and a largest value"),
                (b"P5", "expected a width, a height and a largest value"),
                (b"P6 2 2 70000\nabcdefghijkl", "expected a width, a height and a largest value")):
            result = self.try_file(content)
            lines = result.stderr.decode().strip().splitlines()
            self.assertEqual((result.returncode, len(lines)), (1, 1), lines)
            self.assertIn(message, lines[0])
        self.assertIn("no such file", self.refuse(self.binary, "embed", "--image",
                                                  self.tmp / "none").lower())

    def test_damaged(self):
        """Cut off anywhere or with bytes changed: an error of one line, or a vector."""
        image = random_image(8, 12)
        generator = random.Random(7)
        for data in (rgb_png(image), write_ppm(self.tmp / "a.ppm", image).read_bytes()):
            for i in range(24):
                damaged = bytearray(data)
                if i % 2:
                    damaged = damaged[:generator.randrange(len(data))]
                else:
                    for _ in range(i % 5 + 1):
                        damaged[generator.randrange(len(data))] = generator.randrange(256)
                result = self.try_file(bytes(damaged))
                self.assertIn(result.returncode, (0, 1), result.stderr)
                lines = result.stderr.decode().strip().splitlines()
                self.assertEqual(len(lines), result.returncode, lines)
                if result.returncode == 0:
                    self.assertEqual(len(result.stdout.split()), HIDDEN)

    def test_pixels(self):
        out = ("-o", self.tmp / "l.npy")
        file = write_pixels(self.tmp / "p.npy", random_pixels((8, 11)))
        self.assertIn("p.npy: shape: expected [3, 8, 12], got [3, 8, 11]",
                      self.refuse(self.binary, "logits", "--features", file, *out))
        flat = write_npy(self.tmp / "f.npy", [[1.0] * 4])
        self.assertIn("shape: expected [3, 8, 12], got [1, 4]",
                      self.refuse(self.binary, "classify", "--features", flat))
        pixels = random_pixels((8, 12))
        pixels[1][2][3] = float("nan")
        file = write_pixels(self.tmp / "p.npy", pixels)
        self.assertIn("pixels: expected finite numbers, got nan",
                      self.refuse(self.binary, "logits", "--features", file, *out))
        self.assertFalse((self.tmp / "l.npy").exists())


class Configurations(VisionTest):
    def compile_error(self):
        result = stc("compile", self.model, "-o", self.tmp / "m", check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse((self.tmp / "m").exists())
        return lines[0]

    def test_config(self):
        for changes, message in (
                ({"image_size": 0}, "image_size: expected a length from 1 to 16384, got 0"),
                ({"image_size": [8, 12, 3]}, "image_size: expected a length, or a height and a width"),
                ({"image_size": "8"}, "image_size: expected an integer"),
                ({"patch_size": 13}, "patch_size: expected at most image_size = 8 x 12, got 13 x 13"),
                ({"patch_size": -4}, "patch_size: expected a length from 1"),
                ({"image_size": 8}, "position_embeddings[0]: expected shape [5, 32], got [7, 32]"),
                ({"num_channels": 1}, "num_channels: expected 3"),
                ({"id2label": {"0": "a", "2": "b"}}, "id2label: expected each number from 0 to 1"),
                ({"id2label": {"0": "a", "00": "b"}}, "id2label: expected each number"),
                ({"id2label": {"0": 3}}, "id2label.0: expected a string, got 3"),
                ({"id2label": ["a"]}, "id2label: expected an object"),
                ({"id2label": {"0": "a"}}, "classifier.weight: expected shape [1, 32], got [4, 32]"),
                ({"num_labels": -1, "id2label": None}, "num_labels: expected 0 to"),
                ({"qkv_bias": False}, "unknown one of shape"),
                ({"hidden_act": "selu"}, "hidden_act: expected silu, gelu")):
            with self.subTest(changes):
                self.make(ViT, **changes)
                self.tensors = ViT().tensors()
                self.family.write(self.model, self.tensors)
                self.assertIn(message, self.compile_error())
        self.make(ViT)
        del self.tensors["vit.embeddings.cls_token"]
        self.family.write(self.model, self.tensors)
        self.assertIn("cls_token", self.compile_error())

    def test_processor(self):
        for settings, message in (
                ({"image_processor_type": "CLIPImageProcessor"},
                 "image_processor_type: expected ViTImageProcessor or DeiTImageProcessor"),
                ({}, "size: expected the image_size of config.json, 8 x 12"),
                ({"size": {"height": 8}}, "size.width: expected an integer, got none"),
                ({"size": {"shortest_edge": 8}}, "size: expected a height and a width, or a crop_size"),
                ({"size": {"height": 8, "width": 0}}, "size.width: expected a length from 1"),
                ({"size": 10, "do_center_crop": True, "crop_size": [8, 12]},
                 "size: expected at least crop_size, 8 x 12, got 10 x 10"),
                ({"size": [8, 12], "resample": 9}, "resample: expected 0 (nearest)"),
                ({"size": [8, 12], "image_mean": [0.5, 0.5]}, "image_mean: expected a number, or 3"),
                ({"size": [8, 12], "image_std": [0.5, 0, 1]}, "image_std: expected finite numbers above"),
                ({"size": [8, 12], "rescale_factor": 0}, "rescale_factor: expected a finite number"),
                ({"size": [8, 12], "do_resize": 1}, "do_resize: expected true or false")):
            with self.subTest(settings):
                self.make(ViT)
                self.processor(**settings)
                self.assertIn(message, self.compile_error())
        self.make(ViT)
        self.processor(do_resize=False)
        compile_model(self.model, self.binary)
        file = write_ppm(self.tmp / "a.ppm", random_image(9, 12))
        self.assertIn("a.ppm: size: expected 12 x 8 pixels, as the model does not scale images",
                      self.refuse(self.binary, "embed", "--image", file))


if __name__ == "__main__":
    unittest.main()
