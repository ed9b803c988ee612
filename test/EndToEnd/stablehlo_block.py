"""Decoders of two layers in StableHLO, as JAX prints them."""
import math

from stablehlo_reference import (EPSILON, HEADS, HEAD_DIM, HIDDEN, INNER, KV_HEADS, LAYERS, PLACES,
                                 THETA, VOCABULARY)


def dense(values):
    if isinstance(values, list):
        return "[" + ", ".join(map(dense, values)) + "]"
    return f"{values:.9e}" if isinstance(values, float) else str(values)


def kind(shape, element="f32"):
    return "tensor<" + "".join(f"{size}x" for size in shape) + element + ">"


class Variant:
    """How a model is written down.

    `attention`: "bthd" (reshaped projections, einsum over transposed heads), "einsum" (projections
    of three dimensions, weights on the left), "groups" (queries in groups without repeated keys).
    `angles`: "iota" (computed from places by power), "table" (constants, sliced), "whole" (cos and
    sin of the whole head, rotated by halves).
    """

    def __init__(self, norm="rms", rotary=True, places=False, activation="silu", attention="bthd",
                 angles="iota", batch=True, mask="iota", take="wrap", integers="i32",
                 arguments=False, generic=False):
        self.norm, self.rotary, self.places, self.activation = norm, rotary, places, activation
        self.attention, self.angles, self.batch, self.mask = attention, angles, batch, mask
        self.take, self.integers, self.arguments = take, integers, arguments
        self.generic = generic


class Printer:
    """Lines of StableHLO; a value is (name, shape, element type)."""

    def __init__(self, weights, variant, count):
        self.weights, self.variant, self.count = weights, variant, count
        self.lines, self.number, self.arguments, self.bound = [], 0, [], {}
        self.lead = [1] if variant.batch else []
        self.rows = self.lead + [count]

    def op(self, text, shape, element="f32", operands=None):
        self.number += 1
        name = f"%{self.number}"
        if operands is None:
            types = kind(shape, element)
        else:
            types = (f"({', '.join(kind(s, e) for _, s, e in operands)}) -> "
                     f"{kind(shape, element)}")
        self.lines.append(f"    {name} = stablehlo.{text} : {types}")
        return name, list(shape), element

    def constant(self, value, shape=(), element="f32"):
        text = dense(value)
        self.number += 1
        name = f"%{self.number}"
        self.lines.append(f"    {name} = stablehlo.constant dense<{text}> : {kind(shape, element)}")
        return name, list(shape), element

    def weight(self, name, shape=None):
        """A weight, as a constant of the shape wanted or as an argument."""
        if self.variant.arguments:
            if name not in self.bound:
                self.bound[name] = (f"%arg{len(self.arguments)}", self.weights.shape(name), "f32")
                self.arguments.append(
                    f'%arg{len(self.arguments)}: {kind(self.weights.shape(name))} '
                    f'{{mhlo.sharding = "{{replicated}}", stc.source = "{name}"}}')
            value = self.bound[name]
            return value if shape is None else self.reshape(value, shape)
        values = self.weights[name]
        if shape is None or shape == self.weights.shape(name):
            return self.constant(values, self.weights.shape(name))
        flat = [x for row in values for x in row] if isinstance(values[0], list) else values

        def nest(sizes, numbers):
            if len(sizes) == 1:
                return numbers
            step = len(numbers) // sizes[0]
            return [nest(sizes[1:], numbers[i * step:(i + 1) * step]) for i in range(sizes[0])]
        return self.constant(nest(shape, flat), shape)

    # Shapes.

    def broadcast(self, x, dims, shape):
        if self.variant.generic:
            array = "array<i64" + (": " + ", ".join(map(str, dims)) if dims else "") + ">"
            self.number += 1
            name = f"%{self.number}"
            self.lines.append(
                f'    {name} = "stablehlo.broadcast_in_dim"({x[0]}) <{{broadcast_dimensions = '
                f"{array}}}> : ({kind(x[1], x[2])}) -> {kind(shape, x[2])}")
            return name, list(shape), x[2]
        return self.op(f"broadcast_in_dim {x[0]}, dims = [{', '.join(map(str, dims))}]", shape, x[2],
                       [x])

    def splat(self, value, shape, element="f32"):
        return self.broadcast(self.constant(value, (), element), [], shape)

    def reshape(self, x, shape):
        return self.op(f"reshape {x[0]}", shape, x[2], [x])

    def transpose(self, x, order):
        return self.op(f"transpose {x[0]}, dims = [{', '.join(map(str, order))}]",
                       [x[1][i] for i in order], x[2], [x])

    def slice(self, x, ranges):
        text = ", ".join(f"{a}:{b}" for a, b in ranges)
        return self.op(f"slice {x[0]} [{text}]", [b - a for a, b in ranges], x[2], [x])

    def concatenate(self, parts, dim):
        shape = list(parts[0][1])
        shape[dim] = sum(part[1][dim] for part in parts)
        return self.op(f"concatenate {', '.join(p[0] for p in parts)}, dim = {dim}", shape,
                       parts[0][2], parts)

    def convert(self, x, element):
        return self.op(f"convert {x[0]}", x[1], element, [x])

    # Arithmetic.

    def unary(self, name, x):
        return self.op(f"{name} {x[0]}", x[1], x[2])

    def binary(self, name, x, y):
        return self.op(f"{name} {x[0]}, {y[0]}", x[1], x[2])

    def by(self, name, x, value):
        return self.binary(name, x, self.splat(value, x[1], x[2]))

    def compare(self, direction, x, y, how="SIGNED"):
        return self.op(f"compare {direction}, {x[0]}, {y[0]}, {how}", x[1], "i1", [x, y])

    def select(self, condition, x, y):
        self.number += 1
        name = f"%{self.number}"
        self.lines.append(f"    {name} = stablehlo.select {condition[0]}, {x[0]}, {y[0]} : "
                          f"{kind(condition[1], 'i1')}, {kind(x[1], x[2])}")
        return name, x[1], x[2]

    def dot(self, x, y, contracting, batching=((), ())):
        rest = [[size for i, size in enumerate(v[1]) if i not in c and i not in b]
                for v, c, b in zip((x, y), contracting, batching)]
        shape = [x[1][i] for i in batching[0]] + rest[0] + rest[1]
        pairs = [f"{name} = [{', '.join(map(str, a))}] x [{', '.join(map(str, b))}]"
                 for name, (a, b) in (("batching_dims", batching), ("contracting_dims", contracting))
                 if a or name == "contracting_dims"]
        return self.op(f"dot_general {x[0]}, {y[0]}, {', '.join(pairs)}, "
                       "precision = [DEFAULT, DEFAULT]", shape, x[2], [x, y])

    def reduce(self, name, x, dim, start):
        init = self.constant(start)
        shape = [size for i, size in enumerate(x[1]) if i != dim]
        if self.variant.generic:
            self.number += 1
            result = f"%{self.number}"
            self.lines.append(
                f'    {result} = "stablehlo.reduce"({x[0]}, {init[0]}) <{{dimensions = array<i64: '
                f"{dim}>}}> ({{\n    ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n"
                f"      %r = stablehlo.{name} %a, %b : tensor<f32>\n"
                f"      stablehlo.return %r : tensor<f32>\n    }}) : ({kind(x[1])}, tensor<f32>) -> "
                f"{kind(shape)}")
            return result, shape, x[2]
        return self.op(f"reduce({x[0]} init: {init[0]}) applies stablehlo.{name} across "
                       f"dimensions = [{dim}]", shape, x[2], [x, init])

    def call(self, name, operands, shape, element="f32"):
        self.number += 1
        result = f"%{self.number}"
        self.lines.append(f"    {result} = call @{name}({', '.join(o[0] for o in operands)}) : "
                          f"({', '.join(kind(s, e) for _, s, e in operands)}) -> "
                          f"{kind(shape, element)}")
        return result, list(shape), element

    # The model.

    def linear(self, x, name):
        return self.dot(x, self.weight(name), ([len(x[1]) - 1], [0]))

    def row(self, name, shape):
        return self.broadcast(self.broadcast(self.weight(name), [len(shape) - 1],
                                             [1] * (len(shape) - 1) + [shape[-1]]),
                              range(len(shape)), shape)

    def kept(self, x, shape):
        """A reduced tensor back in a shape: first with a last dimension of 1, as JAX does."""
        last = len(shape) - 1
        return self.broadcast(self.broadcast(x, range(last), shape[:-1] + [1]), range(last + 1),
                              shape)

    def mean(self, x):
        last = len(x[1]) - 1
        total = self.reduce("add", x, last, 0.0)
        wide = self.broadcast(total, range(last), x[1][:-1] + [1])
        return self.by("divide", wide, float(x[1][-1]))

    def norm(self, x, name):
        every, bias = range(len(x[1])), None
        if self.variant.norm == "layer":
            bias = name[:-1] + "_bias" + name[-1] if name[-1].isdigit() else name + "_bias"
            mean = self.mean(x)
            variance = self.call("_var", [x, self.constant(0, (), "i32")], mean[1])
            x = self.binary("subtract", x, self.broadcast(mean, every, x[1]))
            inner = self.unary("rsqrt", self.by("add", variance, EPSILON))
        else:
            inner = self.unary("rsqrt", self.by("add", self.mean(self.binary("multiply", x, x)),
                                                EPSILON))
        x = self.binary("multiply", x, self.broadcast(inner, every, x[1]))
        x = self.binary("multiply", x, self.row(name, x[1]))
        return self.binary("add", x, self.row(bias, x[1])) if bias else x

    def angles(self):
        """cos and sin of [tokens, half], or of [tokens, head_dim]."""
        half, count, variant = HEAD_DIM // 2, self.count, self.variant
        if variant.angles == "table":
            tables = []
            for function in (math.cos, math.sin):
                table = self.constant([[function(t * THETA ** (-2 * i / HEAD_DIM))
                                        for i in range(half)] for t in range(PLACES)],
                                      (PLACES, half))
                tables.append(self.slice(table, [(0, count), (0, half)]))
            return tables
        steps = self.by("multiply", self.op("iota dim = 0", [half]), 2.0)
        exponents = self.by("divide", steps, float(HEAD_DIM))
        frequencies = self.by("divide", self.splat(1.0, [half]), 1.0)
        powers = self.binary("power", self.splat(THETA, [half]), exponents)
        frequencies = self.binary("divide", frequencies, powers)
        places = self.convert(self.op("iota dim = 0", [count], "i32"), "f32")
        if variant.generic:
            angles = self.dot(self.broadcast(places, [0], [count, 1]),
                              self.broadcast(frequencies, [1], [1, half]), ([1], [0]))
        else:
            angles = self.binary(
                "multiply",
                self.broadcast(self.broadcast(places, [0], [count, 1]), [0, 1], [count, half]),
                self.broadcast(self.broadcast(frequencies, [1], [1, half]), [0, 1], [count, half]))
        if variant.angles == "whole":
            angles = self.concatenate([angles, angles], 1)
        return self.unary("cosine", angles), self.unary("sine", angles)

    def rotate(self, x, angles):
        """x of [batch, tokens, heads, head_dim]."""
        shape, last = x[1], len(x[1]) - 1
        tokens = len(self.rows) - 1
        half = HEAD_DIM // 2

        def part(start, stop):
            return self.slice(x, [(0, size) for size in shape[:-1]] + [(start, stop)])

        def spread(table):
            wide = [1] * len(shape)
            wide[tokens], wide[last] = table[1]
            narrow = self.broadcast(table, [tokens, last], wide)
            return self.broadcast(narrow, range(len(shape)), shape[:-1] + [table[1][1]])
        cos, sin = (spread(table) for table in angles)
        low, high = part(0, half), part(half, HEAD_DIM)
        if self.variant.angles == "whole":
            turned = self.concatenate([self.unary("negate", high), low], last)
            return self.binary("add", self.binary("multiply", x, cos),
                               self.binary("multiply", turned, sin))
        first = self.binary("subtract", self.binary("multiply", low, cos),
                            self.binary("multiply", high, sin))
        second = self.binary("add", self.binary("multiply", high, cos),
                             self.binary("multiply", low, sin))
        return self.concatenate([first, second], last)

    def project(self, x, name, heads):
        """Heads of [batch, tokens, heads, head_dim]."""
        shape = self.rows + [heads, HEAD_DIM]
        if self.variant.attention != "einsum":
            return self.reshape(self.linear(x, name), shape)
        # The weight is the left factor: [heads, head_dim, batch, tokens].
        weight = self.weight(name, [HIDDEN, heads, HEAD_DIM])
        product = self.dot(weight, x, ([0], [len(x[1]) - 1]))
        rank = len(self.rows)
        return self.transpose(product, [2 + i for i in range(rank)] + [0, 1])

    def masked(self, scores):
        """Scores of [..., tokens, tokens], of the future minus infinity."""
        count, rank = self.count, len(scores[1])
        if self.variant.mask == "constant":
            low = -1e9
            mask = self.constant([[0.0 if s <= t else low for s in range(count)]
                                  for t in range(count)], (count, count))
            return self.binary("add", scores,
                               self.broadcast(mask, [rank - 2, rank - 1], scores[1]))
        rows, columns = (self.op(f"iota dim = {i}", [count, count], "i32") for i in (0, 1))
        if self.variant.mask == "tril":
            rows = self.by("add", rows, 0)
            keep = self.compare("GE", rows, columns)
            ones = self.splat("true", [count, count], "i1")
            keep = self.select(keep, ones, self.splat("false", [count, count], "i1"))
        else:
            keep = self.compare("LE", columns, rows)
        wide = self.broadcast(keep, [rank - 2, rank - 1], [1] * (rank - 2) + [count, count])
        keep = self.broadcast(wide, range(rank), scores[1])
        low = self.splat("0xFF800000" if self.variant.mask == "iota" else -1e30, scores[1])
        return self.select(keep, scores, low)

    def softmax(self, x):
        last = len(x[1]) - 1
        largest = self.reduce("maximum", x, last, "0xFF800000")
        largest = self.binary("maximum", self.splat("0xFF800000", largest[1]), largest)
        powers = self.unary("exponential", self.binary("subtract", x, self.kept(largest, x[1])))
        return self.binary("divide", powers, self.kept(self.reduce("add", powers, last, 0.0), x[1]))

    def attention(self, x, layer, angles):
        q = self.project(x, f"q{layer}", HEADS)
        k = self.project(x, f"k{layer}", KV_HEADS)
        v = self.project(x, f"v{layer}", KV_HEADS)
        if self.variant.rotary:
            q, k = self.rotate(q, angles), self.rotate(k, angles)
        group, b = HEADS // KV_HEADS, len(self.lead)
        scale = 1 / math.sqrt(HEAD_DIM)
        lead = list(range(b))
        if self.variant.attention == "groups":
            q = self.reshape(q, self.rows + [KV_HEADS, group, HEAD_DIM])
            # [batch, kv heads, tokens, group, keys] to [batch, kv heads, group, tokens, keys].
            scores = self.dot(q, k, ([b + 3], [b + 2]), (lead + [b + 1], lead + [b + 1]))
            scores = self.transpose(scores, lead + [b, b + 2, b + 1, b + 3])
            weights = self.softmax(self.masked(self.by("multiply", scores, scale)))
            # [batch, kv heads, group, tokens, head_dim]
            mixed = self.dot(weights, v, ([b + 3], [b]), (lead + [b], lead + [b + 1]))
            mixed = self.transpose(mixed, lead + [b + 2, b, b + 1, b + 3])
            flat = self.reshape(mixed, self.rows + [HEADS * HEAD_DIM])
            return self.linear(flat, f"o{layer}")

        def repeat(y):
            wide = self.broadcast(y, lead + [b, b + 1, b + 3],
                                  self.rows + [KV_HEADS, group, HEAD_DIM])
            return self.reshape(wide, self.rows + [HEADS, HEAD_DIM])
        k, v = repeat(k), repeat(v)
        if self.variant.attention == "einsum":
            # Heads are batches where they are; the values are the left factor.
            scores = self.dot(q, k, ([b + 2], [b + 2]), (lead + [b + 1], lead + [b + 1]))
            weights = self.softmax(self.masked(self.by("divide", scores, math.sqrt(HEAD_DIM))))
            mixed = self.dot(v, weights, ([b], [b + 2]), (lead + [b + 1], lead + [b]))
            mixed = self.transpose(mixed, lead + [b + 2, b, b + 1])
            out = self.weight(f"o{layer}", [HEADS, HEAD_DIM, HIDDEN])
            return self.dot(mixed, out, ([b + 1, b + 2], [0, 1]))
        order = lead + [b + 1, b, b + 2]
        q, k, v = (self.transpose(y, order) for y in (q, k, v))
        q = self.by("multiply", q, scale)
        k = self.transpose(k, lead + [b, b + 2, b + 1])
        scores = self.dot(q, k, ([b + 2], [b + 1]), (lead + [b], lead + [b]))
        weights = self.softmax(self.masked(scores))
        mixed = self.dot(weights, v, ([b + 2], [b + 1]), (lead + [b], lead + [b]))
        flat = self.reshape(self.transpose(mixed, order), self.rows + [HEADS * HEAD_DIM])
        return self.linear(flat, f"o{layer}")

    def activation(self, x):
        how = self.variant.activation
        if how == "silu":
            return self.call("silu", [x], x[1])
        if how == "gelu_tanh":
            cube = self.binary("multiply", self.binary("multiply", x, x), x)
            inner = self.binary("add", x, self.by("multiply", cube, 0.044715))
            curve = self.unary("tanh", self.by("multiply", inner, 0.797884583))
            return self.binary("multiply", x, self.by("multiply", self.by("add", curve, 1.0), 0.5))
        self.number += 1
        name = f"%{self.number}"
        if how == "gelu_erf":
            scaled = self.by("divide", x, 1.41421354)
            name = f"%{self.number + 1}"
            self.number += 1
            self.lines.append(f"    {name} = chlo.erf {scaled[0]} : {kind(x[1])} -> {kind(x[1])}")
            curve = self.by("add", (name, x[1], "f32"), 1.0)
            return self.by("divide", self.binary("multiply", x, curve), 2.0)
        scaled = self.by("multiply", self.unary("negate", x), 0.707106769)
        name = f"%{self.number + 1}"
        self.number += 1
        self.lines.append(f"    {name} = chlo.erfc {scaled[0]} : {kind(x[1])} -> {kind(x[1])}")
        return self.binary("multiply", self.by("multiply", x, 0.5), (name, x[1], "f32"))

    def rows_of(self, table, indices):
        """table[indices], as JAX indexes: negative numbers count from the end."""
        count, element = table[1][0], indices[2]
        negative = self.compare("LT", indices, self.splat(0, indices[1], element))
        wrapped = self.binary("add", indices, self.splat(count, indices[1], element))
        indices = self.select(negative, wrapped, indices)
        starts = self.broadcast(indices, range(len(indices[1])), indices[1] + [1])
        rank = len(indices[1])
        shape = indices[1] + [HIDDEN]
        self.number += 1
        name = f"%{self.number}"
        self.lines.append(
            f'    {name} = "stablehlo.gather"({table[0]}, {starts[0]}) <{{dimension_numbers = '
            f"#stablehlo.gather<offset_dims = [{rank}], collapsed_slice_dims = [0], start_index_map "
            f"= [0], index_vector_dim = {rank}>, indices_are_sorted = false, slice_sizes = "
            f"array<i64: 1, {HIDDEN}>}}> : ({kind(table[1])}, {kind(starts[1], element)}) -> "
            f"{kind(shape)}")
        rows = (name, shape, "f32")
        if self.variant.take != "fill":
            return rows
        # jnp.take: what is out of bounds is NaN.
        low = self.compare("GE", starts, self.splat(0, starts[1], element))
        high = self.compare("LE", starts, self.splat(count - 1, starts[1], element))
        both = self.binary("and", low, high)
        self.number += 1
        name = f"%{self.number}"
        init = self.constant("true", (), "i1")
        inside = self.op(f"reduce({both[0]} init: {init[0]}) applies stablehlo.and across "
                         f"dimensions = [{rank}]", indices[1], "i1", [both, init])
        mask = self.broadcast(inside, range(rank), shape)
        return self.select(mask, rows, self.splat("0x7FC00000", shape))

    def main(self):
        tokens = ("%tokens", self.rows, self.variant.integers)
        x = self.rows_of(self.weight("embed"), tokens)
        if self.variant.places:
            places = self.weight("places")
            if self.variant.places == "slice":
                rows = self.slice(places, [(0, self.count), (0, HIDDEN)])
            else:
                rows = self.rows_of(places, self.op("iota dim = 0", [self.count],
                                                    self.variant.integers))
            if self.lead:
                rows = self.broadcast(rows, [1, 2], [1, self.count, HIDDEN])
            x = self.binary("add", x, rows)
        angles = self.angles() if self.variant.rotary else None
        for layer in range(LAYERS):
            x = self.binary("add", x, self.attention(self.norm(x, f"attn_norm{layer}"), layer,
                                                     angles))
            h = self.norm(x, f"ffn_norm{layer}")
            if self.variant.activation == "silu":
                inner = self.binary("multiply", self.activation(self.linear(h, f"gate{layer}")),
                                    self.linear(h, f"up{layer}"))
            else:
                up = self.linear(h, f"up{layer}")
                inner = self.activation(self.binary("add", up, self.row(f"up_bias{layer}", up[1])))
            x = self.binary("add", x, self.linear(inner, f"down{layer}"))
        return self.linear(self.norm(x, "final_norm"), "head")


def functions(count, lead):
    """What JAX calls: each is a jitted function of its own."""
    inner, hidden = (kind(lead + [count, size]) for size in (INNER, HIDDEN))
    one, mean = kind(lead + [count]), kind(lead + [count, 1])
    dims = ", ".join(str(i) for i in range(len(lead) + 1))
    every = dims + f", {len(lead) + 1}"
    return f"""  func.func private @silu(%arg0: {inner}) -> {inner} {{
    %0 = stablehlo.logistic %arg0 : {inner}
    %1 = stablehlo.multiply %arg0, %0 : {inner}
    return %1 : {inner}
  }}
  func.func private @_var(%arg0: {hidden}, %arg1: tensor<i32>) -> {mean} {{
    %0 = stablehlo.convert %arg1 : (tensor<i32>) -> tensor<f32>
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %1 = stablehlo.reduce(%arg0 init: %cst) applies stablehlo.add across dimensions = [{len(lead) + 1}] : ({hidden}, tensor<f32>) -> {one}
    %2 = stablehlo.broadcast_in_dim %1, dims = [{dims}] : ({one}) -> {mean}
    %cst_0 = stablehlo.constant dense<{HIDDEN}.0> : tensor<f32>
    %3 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> {mean}
    %4 = stablehlo.divide %2, %3 : {mean}
    %5 = stablehlo.broadcast_in_dim %4, dims = [{every}] : ({mean}) -> {hidden}
    %6 = stablehlo.subtract %arg0, %5 : {hidden}
    %7 = stablehlo.multiply %6, %6 : {hidden}
    %8 = stablehlo.subtract %cst_0, %0 : tensor<f32>
    %9 = stablehlo.reduce(%7 init: %cst) applies stablehlo.add across dimensions = [{len(lead) + 1}] : ({hidden}, tensor<f32>) -> {one}
    %10 = stablehlo.broadcast_in_dim %9, dims = [{dims}] : ({one}) -> {mean}
    %11 = stablehlo.broadcast_in_dim %8, dims = [] : (tensor<f32>) -> {mean}
    %12 = stablehlo.divide %10, %11 : {mean}
    %13 = stablehlo.compare GT, %8, %cst, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %cst_1 = stablehlo.constant dense<0x7FC00000> : tensor<f32>
    %14 = call @_where(%13, %12, %cst_1) : (tensor<i1>, {mean}, tensor<f32>) -> {mean}
    return %14 : {mean}
  }}
  func.func private @_where(%arg0: tensor<i1>, %arg1: {mean}, %arg2: tensor<f32>) -> {mean} {{
    %0 = stablehlo.broadcast_in_dim %arg2, dims = [] : (tensor<f32>) -> {mean}
    %1 = stablehlo.select %arg0, %arg1, %0 : tensor<i1>, {mean}
    return %1 : {mean}
  }}
"""


def model(weights, variant, count, checkpoint=None):
    """The module's text."""
    printer = Printer(weights, variant, count)
    logits = printer.main()
    arguments = printer.arguments + [f"%tokens: {kind(printer.rows, variant.integers)}"]
    named = f'stc.checkpoint = "{checkpoint}", ' if checkpoint else ""
    return (f"module @jit_forward attributes {{{named}jax.uses_shape_polymorphism = false, "
            "mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {\n"
            f"  func.func public @main({', '.join(arguments)}) -> ({kind(logits[1])} "
            '{jax.result_info = "result"}) {\n' + "\n".join(printer.lines)
            + f"\n    return {logits[0]} : {kind(logits[1])}\n  }}\n"
            + functions(count, printer.lead) + "}\n")
