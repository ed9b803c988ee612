// A small graph with everything that graphs are made of, and token sequences for it.
#ifndef STC_UNITTESTS_CALIBRATION_TESTGRAPHS_H
#define STC_UNITTESTS_CALIBRATION_TESTGRAPHS_H

#include "stc/Calibration/Sequences.h"
#include "stc/Support/Random.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <string>
#include <vector>

namespace stc {

constexpr int64_t kVocabulary = 11;

/// A weight with random values, as text.
inline std::string weight(const std::string &name, std::vector<int64_t> shape, Random &random) {
  int64_t rows = shape.size() == 2 ? shape[0] : 1, columns = shape.back();
  std::vector<std::string> lines;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<float> values;
    for (int64_t column = 0; column < columns; ++column)
      values.push_back(float(random.normal()) * 0.3f);
    lines.push_back(absl::StrCat("[",
                                 absl::StrJoin(values, ", ",
                                               [](std::string *out, float value) {
                                                 char text[32];
                                                 std::snprintf(text, sizeof(text), "%.9e",
                                                               double(value));
                                                 *out += text;
                                               }),
                                 "]"));
  }
  std::string type = absl::StrCat("tensor<", absl::StrJoin(shape, "x"), "xf32>");
  std::string text = absl::StrJoin(lines, ", ");
  return absl::StrCat("stc.weight @", name, " : ", type, " {value = dense<",
                      shape.size() == 2 ? absl::StrCat("[", text, "]") : text, "> : ", type, "}\n");
}

/// Two layers of everything that graphs are made of; `%s` stands for the layer.
inline std::string modelText(uint64_t seed) {
  Random random(seed);
  std::string text = weight("embed", {kVocabulary, 16}, random);
  std::string layers;
  for (int layer = 0; layer < 2; ++layer) {
    std::string l = absl::StrCat("l", layer);
    text += weight(l + ".norm", {16}, random) + weight(l + ".q", {16, 16}, random) +
            weight(l + ".qb", {16}, random) + weight(l + ".k", {8, 16}, random) +
            weight(l + ".v", {8, 16}, random) + weight(l + ".o", {16, 16}, random) +
            weight(l + ".g", {24, 16}, random) + weight(l + ".u", {24, 16}, random) +
            weight(l + ".d", {16, 24}, random);
    std::string in = layer == 0 ? "%e" : "%y0", x = "tensor<?x16xf32>", k = "tensor<?x8xf32>";
    auto read = [&](const char *name, const char *type) {
      return absl::StrCat("%w", name, " = stc.get_weight @", l, ".", name, " : tensor<", type,
                          "xf32>\n");
    };
    layers += absl::StrCat(
        "%y", layer, " = stc.layer ", layer, " (%h = ", in, " : ", x, ") {\n",
        "%l = arith.constant ", layer, " : index\n", read("norm", "16"), read("q", "16x16"),
        read("qb", "16"), read("k", "8x16"), read("v", "8x16"), read("o", "16x16"),
        read("g", "24x16"), read("u", "24x16"), read("d", "16x24"),
        "%n = stc.rms_norm %h, %wnorm epsilon 1.0e-05 : (", x, ", tensor<16xf32>) -> ", x, "\n",
        "%q = stc.linear %n, %wq bias %wqb : (", x, ", tensor<16x16xf32>, tensor<16xf32>) -> ", x,
        "\n%k = stc.linear %n, %wk : (", x, ", tensor<8x16xf32>) -> ", k,
        "\n%v = stc.linear %n, %wv : (", x, ", tensor<8x16xf32>) -> ", k,
        "\n%qr = stc.rotary_embedding ", layer ? "interleaved " : "", "%q, %cos, %sin : (", x,
        ", tensor<?x2xf32>, tensor<?x2xf32>) -> ", x, "\n%kr = stc.rotary_embedding ",
        layer ? "interleaved " : "", "%k, %cos, %sin : (", k,
        ", tensor<?x2xf32>, tensor<?x2xf32>) -> ", k,
        "\nstc.cache_update %kr, %v, %c[%l, %p] : ", k, ", ", k, ", !cache\n",
        "%a = stc.attention %qr, %c[%l, %p] heads 4 scale 5.0e-01 window ",
        layer ? "3 sinks 1" : "0", " : (", x, ", !cache, index, index) -> ", x,
        "\n%o = stc.linear %a, %wo : (", x, ", tensor<16x16xf32>) -> ", x,
        "\n%r = arith.addf %h, %o : ", x, "\n%g = stc.linear %r, %wg : (", x,
        ", tensor<24x16xf32>) -> tensor<?x24xf32>\n%u = stc.linear %r, %wu : (", x,
        ", tensor<24x16xf32>) -> tensor<?x24xf32>\n");
    layers += layer ? "%ga = stc.activation <gelu> %g : (tensor<?x24xf32>) -> tensor<?x24xf32>\n"
                      "%m = arith.mulf %ga, %u : tensor<?x24xf32>\n"
                    : "%m = stc.gated_activation <silu> %g, %u : (tensor<?x24xf32>, "
                      "tensor<?x24xf32>) -> tensor<?x24xf32>\n";
    layers += absl::StrCat("%d = stc.linear %m, %wd : (tensor<?x24xf32>, tensor<16x24xf32>) -> ", x,
                           "\n%z = arith.addf %r, %d : ", x, "\nstc.yield %z : ", x, "\n}\n");
  }
  return absl::StrCat(
      "!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 4, capacity = 16>\n", text,
      "func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x16xf32> {\n"
      "%table = stc.get_weight @embed : tensor<11x16xf32>\n"
      "%e = stc.embedding %t, %table : (tensor<?xi32>, tensor<11x16xf32>) -> tensor<?x16xf32>\n"
      "%cos, %sin = stc.rotary_table %t, %p frequencies [1.0, 0.3] : (tensor<?xi32>, index) -> "
      "(tensor<?x2xf32>, tensor<?x2xf32>)\n",
      layers,
      "return %y1 : tensor<?x16xf32>\n}\n"
      "func.func @head(%x: tensor<?x16xf32>) -> tensor<?x11xf32> {\n"
      "%table = stc.get_weight @embed : tensor<11x16xf32>\n"
      "%y = stc.linear %x, %table : (tensor<?x16xf32>, tensor<11x16xf32>) -> tensor<?x11xf32>\n"
      "return %y : tensor<?x11xf32>\n}\n");
}

/// A layer of what only some families of decoders have.
inline std::string familyText(uint64_t seed) {
  Random random(seed);
  std::string text = weight("embed", {kVocabulary, 16}, random);
  text += weight("positions", {12, 16}, random) + weight("norm", {16}, random) +
          weight("bias", {16}, random) + weight("heads", {4}, random) +
          weight("own", {4, 4}, random) + weight("kown", {2, 4}, random) +
          weight("q", {16, 16}, random) + weight("k", {8, 16}, random) +
          weight("v", {8, 16}, random) + weight("o", {16, 16}, random) +
          "stc.weight @order : tensor<16xf32> {value = dense<[9.0, 0.0, 15.0, 3.0, 1.0, 14.0, 2.0, "
          "7.0, "
          "8.0, 4.0, 11.0, 5.0, 13.0, 6.0, 12.0, 10.0]> : tensor<16xf32>}\n";
  return "!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>\n" + text +
         R"mlir(
    func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x16xf32> {
      %zero = arith.constant 0 : index
      %table = stc.get_weight @embed : tensor<11x16xf32>
      %learned = stc.get_weight @positions : tensor<12x16xf32>
      %gain = stc.get_weight @norm : tensor<16xf32>
      %bias = stc.get_weight @bias : tensor<16xf32>
      %heads = stc.get_weight @heads : tensor<4xf32>
      %own = stc.get_weight @own : tensor<4x4xf32>
      %kown = stc.get_weight @kown : tensor<2x4xf32>
      %wq = stc.get_weight @q : tensor<16x16xf32>
      %wk = stc.get_weight @k : tensor<8x16xf32>
      %wv = stc.get_weight @v : tensor<8x16xf32>
      %wo = stc.get_weight @o : tensor<16x16xf32>
      %tokens = stc.embedding %t, %table : (tensor<?xi32>, tensor<11x16xf32>) -> tensor<?x16xf32>
      %scaled = stc.scale %tokens by 2.5 : (tensor<?x16xf32>) -> tensor<?x16xf32>
      %numbers = stc.positions %t, %p : (tensor<?xi32>, index) -> tensor<?xi32>
      %places = stc.embedding %numbers, %learned
          : (tensor<?xi32>, tensor<12x16xf32>) -> tensor<?x16xf32>
      %e = arith.addf %scaled, %places : tensor<?x16xf32>
      %cos, %sin = stc.rotary_table %t, %p frequencies [0.7] scale 1.5
          : (tensor<?xi32>, index) -> (tensor<?x1xf32>, tensor<?x1xf32>)
      %y = stc.layer 0 (%h = %e : tensor<?x16xf32>) {
        %n = stc.layer_norm %h, %gain bias %bias epsilon 1.0e-05
            : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
        %q = stc.linear %n, %wq : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
        %k = stc.linear %n, %wk : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
        %v = stc.linear %n, %wv : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
        %qn = stc.rms_norm %q, %heads groups 4 epsilon 1.0e-05
            : (tensor<?x16xf32>, tensor<4xf32>) -> tensor<?x16xf32>
        %qo = stc.rms_norm %qn, %own groups 4 epsilon 1.0e-05
            : (tensor<?x16xf32>, tensor<4x4xf32>) -> tensor<?x16xf32>
        %qc = stc.clamp %qo limit 0.2 : (tensor<?x16xf32>) -> tensor<?x16xf32>
        %ks = stc.layer_norm %k, %heads groups 2 epsilon 1.0e-05
            : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
        %kn = stc.layer_norm %ks, %kown groups 2 epsilon 1.0e-05
            : (tensor<?x8xf32>, tensor<2x4xf32>) -> tensor<?x8xf32>
        %qr = stc.rotary_embedding %qc, %cos, %sin head_dim 4
            : (tensor<?x16xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x16xf32>
        %kr = stc.rotary_embedding interleaved %kn, %cos, %sin head_dim 4
            : (tensor<?x8xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
        stc.cache_update %kr, %v, %c[%zero, %p] : tensor<?x8xf32>, tensor<?x8xf32>, !cache
        %a = stc.attention %qr, %c[%zero, %p] heads 4 scale 2.0 window 0 soft_cap 0.2
            : (tensor<?x16xf32>, !cache, index, index) -> tensor<?x16xf32>
        %order = stc.get_weight @order : tensor<16xf32>
        %b = stc.permute_features %a, %order
            : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
        %o = stc.linear %b, %wo : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
        %s = stc.activation <relu2> %o : (tensor<?x16xf32>) -> tensor<?x16xf32>
        %r = arith.addf %h, %s : tensor<?x16xf32>
        stc.yield %r : tensor<?x16xf32>
      }
      %z = stc.layer_norm %y, %gain epsilon 1.0e-05
          : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
      return %z : tensor<?x16xf32>
    }
    func.func @head(%x: tensor<?x16xf32>) -> tensor<?x11xf32> {
      %table = stc.get_weight @embed : tensor<11x16xf32>
      %y = stc.linear %x, %table : (tensor<?x16xf32>, tensor<11x16xf32>) -> tensor<?x11xf32>
      %z = stc.soft_cap %y cap 0.5 : (tensor<?x11xf32>) -> tensor<?x11xf32>
      return %z : tensor<?x11xf32>
    })mlir";
}

inline Sequences randomSequences(int64_t count, int64_t length) {
  Random random(3);
  Sequences sequences;
  sequences.count = count;
  sequences.length = length;
  for (int64_t i = 0; i < count * length; ++i)
    sequences.tokens.push_back(int32_t(random.uniform() * kVocabulary));
  return sequences;
}

} // namespace stc

#endif // STC_UNITTESTS_CALIBRATION_TESTGRAPHS_H
