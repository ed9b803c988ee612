"""Vision transformers: tiny random checkpoints, what they compute, and what images are to them.

Written from the papers named below, from the modules and image processors of Hugging Face
transformers that released checkpoints are of, and from Pillow's definition of its filters.
"""
import math
import random
import struct
import zlib

from encoders import attend
from family_base import FFN, HEADS, HIDDEN, Family, f32
from family_math import activate, add, gelu, layer_norm, linear, split_heads


class ViT(Family):
    """Dosovitskiy et al. 2021: CLS and patches, learned positions, pre-norm layers, final norm."""
    name = "vit"
    prefix = "vit."
    layers = 2
    classes = ("cls_token",)  # rows in front of the patches
    size, patch = (8, 12), 4  # of images: height, width
    labels = ["a cat", "a dog", "nothing, \"really\"", "ein Öhr"]
    heads = ("classifier",)
    epsilon = 1e-12

    def __init__(self, **changes):
        super().__init__(**changes)
        for key in ("vocab_size", "bos_token_id", "eos_token_id"):
            del self.config[key]

    def base(self):
        return {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "image_size": list(self.size),
                "patch_size": self.patch, "num_channels": 3, "qkv_bias": True,
                "layer_norm_eps": self.epsilon, "hidden_act": "gelu",
                "id2label": {str(i): label for i, label in enumerate(self.labels)}}

    def patches(self):
        return (self.size[0] // self.patch) * (self.size[1] // self.patch)

    def shapes(self):
        e, shapes = self.prefix + "embeddings.", {}
        for name in self.classes:
            shapes[e + name] = (1, 1, HIDDEN)
        positions = len(self.classes) + self.patches()
        shapes[e + "position_embeddings"] = (1, positions, HIDDEN)
        shapes[e + "patch_embeddings.projection.weight"] = (HIDDEN, 3, self.patch, self.patch)
        shapes[e + "patch_embeddings.projection.bias"] = (HIDDEN,)
        for i in range(self.layers):
            p = f"{self.prefix}encoder.layer.{i}."
            for part, rows, columns in (
                    ("attention.attention.query", HIDDEN, HIDDEN),
                    ("attention.attention.key", HIDDEN, HIDDEN),
                    ("attention.attention.value", HIDDEN, HIDDEN),
                    ("attention.output.dense", HIDDEN, HIDDEN), ("intermediate.dense", FFN, HIDDEN),
                    ("output.dense", HIDDEN, FFN)):
                shapes[f"{p}{part}.weight"] = (rows, columns)
                if self.config["qkv_bias"] or "attention.attention" not in part:
                    shapes[f"{p}{part}.bias"] = (rows,)
            for norm in ("layernorm_before", "layernorm_after"):
                shapes[f"{p}{norm}.weight"] = shapes[f"{p}{norm}.bias"] = (HIDDEN,)
        for part in ("weight", "bias"):
            shapes[f"{self.prefix}layernorm.{part}"] = (HIDDEN,)
        for head in self.heads:
            shapes[head + ".weight"] = (len(self.labels), HIDDEN)
            shapes[head + ".bias"] = (len(self.labels),)
        return shapes

    def embed(self, t, pixels):
        """`pixels` are [channel][row][column]: a convolution whose stride is its kernel's size."""
        e = self.prefix + "embeddings."
        kernel = t[e + "patch_embeddings.projection.weight"]
        bias = t[e + "patch_embeddings.projection.bias"]
        rows = [t[e + name][0][0] for name in self.classes]
        for top in range(0, self.size[0] - self.patch + 1, self.patch):
            for left in range(0, self.size[1] - self.patch + 1, self.patch):
                rows.append([b + sum(k[c][y][x] * pixels[c][top + y][left + x] for c in range(3)
                                     for y in range(self.patch) for x in range(self.patch))
                             for k, b in zip(kernel, bias)])
        return add(rows, t[e + "position_embeddings"][0])

    def forward(self, t, pixels):
        """The last hidden states, in float64."""
        hidden = self.embed(t, pixels)
        for i in range(self.layers):
            w = t.layer(self.prefix + "encoder.layer.{}.", i)

            def dense(part, x):
                return linear(x, w(part + ".weight"), w(part + ".bias"))

            def norm(part, x):
                return layer_norm(x, w(part + ".weight"), w(part + ".bias"), self.epsilon)

            x = norm("layernorm_before", hidden)
            q, k, v = (split_heads(dense(f"attention.attention.{part}", x), HIDDEN // HEADS)
                       for part in ("query", "key", "value"))
            mixed = attend(q, k, v, (HIDDEN // HEADS) ** -0.5)
            hidden = add(hidden, dense("attention.output.dense", mixed))
            fed = activate(dense("intermediate.dense", norm("layernorm_after", hidden)), gelu)
            hidden = add(hidden, dense("output.dense", fed))
        return layer_norm(hidden, t[self.prefix + "layernorm.weight"],
                          t[self.prefix + "layernorm.bias"], self.epsilon)

    def classify(self, t, pixels):
        """Logits: each head reads the position of its class token; their mean counts."""
        hidden = self.forward(t, pixels)
        logits = [linear([hidden[i]], t[head + ".weight"], t[head + ".bias"])[0]
                  for i, head in enumerate(self.heads)]
        return [sum(column) / len(logits) for column in zip(*logits)]


class ViTModel(ViT):
    """As ViTModel is saved: without a prefix and a head, with a pooler."""
    prefix, heads = "", ()

    def shapes(self):
        return {**super().shapes(), "pooler.dense.weight": (HIDDEN, HIDDEN),
                "pooler.dense.bias": (HIDDEN,)}


class DeiT(ViT):
    """Touvron et al. 2021, as DeiTForImageClassificationWithTeacher."""
    name, prefix = "deit", "deit."
    classes = ("cls_token", "distillation_token")
    heads = ("cls_classifier", "distillation_classifier")


class DeiTPlain(DeiT):
    """As DeiTForImageClassification: one head, of CLS."""
    heads = ("classifier",)


class NoBias(ViT):
    """qkv_bias off, and a remainder of pixels that no patch covers."""
    changes = {"qkv_bias": False}
    size, patch = (9, 14), 4


VISION = [ViT, ViTModel, DeiT, DeiTPlain, NoBias]


def random_pixels(size, seed=3):
    """Normalized already: [channel][row][column]."""
    generator = random.Random(seed)
    return [[[f32(generator.gauss(0, 1)) for _ in range(size[1])] for _ in range(size[0])]
            for _ in range(3)]


def random_image(height, width, seed=1):
    """[row][column] of (red, green, blue), with edges and gradients in it."""
    generator = random.Random(seed)
    return [[tuple((x * 255 // width + 40 * (y // 3) + generator.randrange(60) * channel) % 256
                   for channel in range(3)) for x in range(width)] for y in range(height)]


# Pillow's filters ("Concepts: Filters" of its documentation): distance from which on they are 0,
# and their values.

def sinc(x):
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def cubic(x):
    x = abs(x)
    if x < 1:
        return 1.5 * x ** 3 - 2.5 * x ** 2 + 1
    return -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 if x < 2 else 0.0


FILTERS = {1: (3, lambda x: sinc(x) * sinc(x / 3) if abs(x) < 3 else 0.0),
           2: (1, lambda x: max(0.0, 1 - abs(x))),
           3: (2, cubic),
           4: (0.5, lambda x: 1.0 if -0.5 < x <= 0.5 else 0.0),
           5: (1, lambda x: sinc(x) * (0.54 + 0.46 * math.cos(math.pi * x)) if abs(x) < 1 else 0.0)}


def resize_line(line, size, resample):
    """One row of pixels, in float64: the mean of the pixels under the filter, which is stretched
    where the line shrinks; bytes again in the end."""
    scale = len(line) / size
    if resample == 0:
        return [line[int((i + 0.5) * scale)] for i in range(size)]
    reach, function = FILTERS[resample]
    stretch = max(scale, 1.0)
    result = []
    for i in range(size):
        centre = (i + 0.5) * scale
        first = max(0, int(centre - reach * stretch + 0.5))
        end = min(len(line), int(centre + reach * stretch + 0.5))
        weights = [function((at - centre + 0.5) / stretch) for at in range(first, end)]
        total = sum(weights)
        result.append(tuple(min(255, max(0, math.floor(
            sum(w * pixel[c] for w, pixel in zip(weights, line[first:end])) / total + 0.5)))
            for c in range(3)))
    return result


def resize(image, height, width, resample):
    if width != len(image[0]):
        image = [resize_line(row, width, resample) for row in image]
    if height != len(image):
        columns = [resize_line(list(column), height, resample) for column in zip(*image)]
        image = [list(row) for row in zip(*columns)]
    return image


def preprocess(image, height, width, *, resized=None, resample=2, rescale=1 / 255, mean=(0.5,) * 3,
               std=(0.5,) * 3):
    """ViTImageProcessor: scale, cut to the middle, rescale, normalize."""
    image = resize(image, *(resized or (height, width)), resample)
    top, left = (len(image) - height) // 2, (len(image[0]) - width) // 2
    return [[[(image[top + y][left + x][c] * rescale - mean[c]) / std[c] for x in range(width)]
             for y in range(height)] for c in range(3)]


# Files.

def write_ppm(path, image, depth=255):
    size = 2 if depth > 255 else 1
    path.write_bytes(f"P6\n# a comment\n{len(image[0])} {len(image)}\n{depth}\n".encode() +
                     b"".join(value.to_bytes(size, "big") for row in image for pixel in row
                              for value in pixel))
    return path


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, rows, *, interlace=0, palette=None, transparency=None):
    """A PNG of packed rows (bytes without filter)."""
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    if palette:
        data += png_chunk(b"PLTE", bytes(value for pixel in palette for value in pixel))
    if transparency:
        data += png_chunk(b"tRNS", transparency)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return data + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def rgb_png(image):
    return png(len(image[0]), len(image), 8, 2,
               [bytes(value for pixel in row for value in pixel) for row in image])
