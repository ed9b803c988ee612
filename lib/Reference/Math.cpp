// What the operations compute, on plain arrays of float64.
#include "Math.h"

#include "stc/Dialect/STC/Utils/AttentionBias.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace stc;

int64_t stc::rowsOf(const ReferenceTensor &tensor) {
  return tensor.shape.size() < 2 ? 1 : tensor.shape.front();
}

int64_t stc::columnsOf(const ReferenceTensor &tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

ReferenceTensor stc::makeTensor(std::vector<int64_t> shape, double fill) {
  size_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return {std::move(shape), std::vector<double>(count, fill)};
}

//===----------------------------------------------------------------------===//
// Token by token
//===----------------------------------------------------------------------===//

ReferenceTensor stc::multiply(const ReferenceTensor &input, const ReferenceTensor &weight,
                              const ReferenceTensor *bias) {
  int64_t tokens = rowsOf(input), inputs = columnsOf(input), outputs = rowsOf(weight);
  ReferenceTensor result = makeTensor({tokens, outputs});
  // Four tokens share a pass over a weight row: their sums are independent chains of additions, so
  // a model of some million weights stays a matter of a second.
  constexpr int64_t width = 4;
  for (int64_t row = 0; row < outputs; ++row) {
    const double *w = weight.values.data() + row * inputs;
    double start = bias ? bias->values[row] : 0;
    for (int64_t first = 0; first < tokens; first += width) {
      int64_t count = std::min(width, tokens - first);
      const double *x[width];
      double sum[width] = {};
      for (int64_t t = 0; t < width; ++t)
        x[t] = input.values.data() + (first + std::min(t, count - 1)) * inputs;
      for (int64_t k = 0; k < inputs; ++k)
        for (int64_t t = 0; t < width; ++t)
          sum[t] += x[t][k] * w[k];
      for (int64_t t = 0; t < count; ++t)
        result.values[(first + t) * outputs + row] = sum[t] + start;
    }
  }
  return result;
}

/// The first gain of group `row` of all rows' groups: the weight holds those of one group, or of
/// all groups of a row.
static const double *gainsOf(const ReferenceTensor &weight, int64_t row, int64_t columns) {
  return weight.values.data() + row * columns % int64_t(weight.values.size());
}

ReferenceTensor stc::normalize(const ReferenceTensor &input, const ReferenceTensor &weight,
                               int64_t groups, double epsilon) {
  int64_t columns = columnsOf(input) / groups;
  ReferenceTensor result = makeTensor(input.shape);
  for (int64_t row = 0; row < rowsOf(input) * groups; ++row) {
    const double *x = input.values.data() + row * columns;
    const double *gains = gainsOf(weight, row, columns);
    double squares = 0;
    for (int64_t c = 0; c < columns; ++c)
      squares += x[c] * x[c];
    double factor = 1 / std::sqrt(squares / columns + epsilon);
    for (int64_t c = 0; c < columns; ++c)
      result.values[row * columns + c] = x[c] * factor * gains[c];
  }
  return result;
}

ReferenceTensor stc::normalizeLayer(const ReferenceTensor &input, const ReferenceTensor &weight,
                                    const ReferenceTensor *bias, int64_t groups, double epsilon) {
  int64_t columns = columnsOf(input) / groups;
  ReferenceTensor result = makeTensor(input.shape);
  for (int64_t row = 0; row < rowsOf(input) * groups; ++row) {
    const double *x = input.values.data() + row * columns;
    const double *gains = gainsOf(weight, row, columns);
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < columns; ++c)
      mean += x[c] / columns;
    for (int64_t c = 0; c < columns; ++c)
      variance += (x[c] - mean) * (x[c] - mean) / columns;
    for (int64_t c = 0; c < columns; ++c)
      result.values[row * columns + c] =
          (x[c] - mean) / std::sqrt(variance + epsilon) * gains[c] + (bias ? bias->values[c] : 0);
  }
  return result;
}

double stc::softCap(double x, double cap) { return cap * std::tanh(x / cap); }

double stc::activate(ActivationKind kind, double x) {
  constexpr double sqrtHalf = 0.70710678118654752440, sqrtTwoOverPi = 0.79788456080286535588;
  switch (kind) {
  case ActivationKind::Silu:
    return x / (1 + std::exp(-x));
  case ActivationKind::Gelu:
    return x * 0.5 * std::erfc(-x * sqrtHalf);
  case ActivationKind::GeluTanh:
    return x * 0.5 * (1 + std::tanh(sqrtTwoOverPi * (x + 0.044715 * x * x * x)));
  case ActivationKind::Relu:
    return x > 0 ? x : 0;
  case ActivationKind::Relu2:
    return x > 0 ? x * x : 0;
  case ActivationKind::Sigmoid:
    return 1 / (1 + std::exp(-x));
  case ActivationKind::QuickGelu:
    return x / (1 + std::exp(-1.702 * x));
  }
  llvm_unreachable("all activations are listed");
}

double stc::activateGate(ActivationKind kind, double gate, double up, double limit, double offset) {
  if (limit != 0) {
    gate = std::min(gate, limit);
    up = std::clamp(up, -limit, limit);
  }
  return activate(kind, gate) * (up + offset);
}

ReferenceTensor stc::chooseExperts(const ReferenceTensor &logits, int64_t k, bool normalized) {
  int64_t experts = columnsOf(logits);
  ReferenceTensor gates = makeTensor(logits.shape);
  for (int64_t t = 0; t < rowsOf(logits); ++t) {
    const double *row = logits.values.data() + t * experts;
    double largest = *std::max_element(row, row + experts), sum = 0;
    std::vector<bool> isChosen(experts);
    for (int64_t i = 0; i < k; ++i) {
      int64_t next = -1;
      for (int64_t e = 0; e < experts; ++e)
        if (!isChosen[e] && (next < 0 || row[e] > row[next]))
          next = e;
      isChosen[next] = true;
    }
    for (int64_t e = 0; e < experts; ++e)
      sum += isChosen[e] || !normalized ? std::exp(row[e] - largest) : 0;
    for (int64_t e = 0; e < experts; ++e)
      gates.values[t * experts + e] = isChosen[e] ? std::exp(row[e] - largest) / sum : 0;
  }
  return gates;
}

absl::StatusOr<ReferenceTensor> stc::gather(const ReferenceTensor &tokens,
                                            const ReferenceTensor &table) {
  int64_t columns = columnsOf(table), rows = rowsOf(table);
  ReferenceTensor result = makeTensor({columnsOf(tokens), columns});
  for (size_t t = 0; t < tokens.values.size(); ++t) {
    double token = tokens.values[t];
    if (!(token >= 0 && token < rows))
      return formatError({"", "token", {}}, absl::StrCat("a number from 0 to ", rows - 1),
                         absl::StrCat(token));
    std::copy_n(table.values.data() + int64_t(token) * columns, columns,
                result.values.data() + t * columns);
  }
  return result;
}

ReferenceTensor stc::rotate(const ReferenceTensor &input, const ReferenceTensor &cosines,
                            const ReferenceTensor &sines, bool interleaved, int64_t headDim) {
  int64_t columns = columnsOf(input), pairs = columnsOf(cosines);
  ReferenceTensor result = input;
  for (int64_t row = 0; row < rowsOf(input); ++row)
    for (int64_t head = 0; head < columns / headDim; ++head)
      for (int64_t pair = 0; pair < pairs; ++pair) {
        int64_t start = row * columns + head * headDim;
        int64_t first = start + (interleaved ? 2 * pair : pair);
        int64_t second = first + (interleaved ? 1 : pairs);
        double a = input.values[first], b = input.values[second];
        double cosine = cosines.values[row * pairs + pair];
        double sine = sines.values[row * pairs + pair];
        result.values[first] = a * cosine - b * sine;
        result.values[second] = a * sine + b * cosine;
      }
  return result;
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

absl::Status stc::checkCache(const CachePlace &place, int64_t tokens) {
  KVCacheType type = place.type;
  constexpr uint64_t limit = kLargestTensor;
  uint64_t floats = 1;
  for (int64_t size : {type.getLayers(), type.getKvHeads(), type.getHeadDim(), type.getCapacity()})
    if (floats > limit || __builtin_mul_overflow(floats, uint64_t(size), &floats))
      floats = limit + 1;
  if (floats > limit)
    return formatError({"", "cache", {}}, absl::StrCat("at most ", limit, " keys"), "more");
  if (place.cache->keys.empty() && place.cache->values.empty()) {
    place.cache->keys.resize(floats);
    place.cache->values.resize(floats);
  }
  if (place.cache->keys.size() != floats || place.cache->values.size() != floats)
    return formatError({"", "cache", {}}, absl::StrCat(floats, " keys and values"),
                       absl::StrCat(place.cache->keys.size()));
  if (place.layer < 0 || place.layer >= type.getLayers())
    return formatError({"", "layer", {}}, absl::StrCat("0 to ", type.getLayers() - 1),
                       absl::StrCat(place.layer));
  if (place.position < 0 || place.position > type.getCapacity() - tokens)
    return formatError({"", "position", {}},
                       absl::StrCat(tokens, " tokens below ", type.getCapacity()),
                       absl::StrCat("position ", place.position));
  return absl::OkStatus();
}

/// Rounds `headDim` numbers as the cache keeps them. An f32 cache keeps what float64 has.
static void roundAs(KVCacheType type, double *vector) {
  KVElement element = type.getLayout().element;
  if (element == KVElement::F32)
    return;
  std::vector<float> rounded(vector, vector + type.getHeadDim());
  roundKeyOrValue(element, absl::MakeSpan(rounded));
  std::copy(rounded.begin(), rounded.end(), vector);
}

void stc::updateCache(const CachePlace &place, const ReferenceTensor &keys,
                      const ReferenceTensor &values) {
  int64_t heads = place.type.getKvHeads(), headDim = place.type.getHeadDim();
  for (int64_t row = 0; row < rowsOf(keys); ++row)
    for (int64_t head = 0; head < heads; ++head) {
      int64_t from = (row * heads + head) * headDim;
      size_t to = place.at(head, place.position + row);
      std::copy_n(keys.values.data() + from, headDim, place.cache->keys.data() + to);
      std::copy_n(values.values.data() + from, headDim, place.cache->values.data() + to);
      roundAs(place.type, place.cache->keys.data() + to);
      roundAs(place.type, place.cache->values.data() + to);
    }
}

bool AttentionSettings::sees(int64_t query, int64_t key) const {
  if (end ? key >= *end : key > query)
    return false;
  return (window == 0 || std::abs(query - key) < window || key < sinks) && pattern.sees(query, key);
}

double AttentionSettings::biasOf(int64_t head, int64_t query, int64_t key) const {
  double result = 0;
  if (bias) {
    int64_t buckets = int64_t(bias->values.size()) / heads;
    int64_t bucket = relativeBucket(key - query, buckets, biasDistance, end.has_value());
    result += bias->values[size_t(bucket * heads + head)];
  }
  if (!slopes.empty())
    result -= slopes[size_t(head)] * double(std::abs(query - key));
  return result;
}

ReferenceTensor stc::attend(const CachePlace &place, const ReferenceTensor &queries,
                            const AttentionSettings &settings) {
  int64_t heads = settings.heads;
  int64_t headDim = place.type.getHeadDim(), shared = heads / place.type.getKvHeads();
  ReferenceTensor result = makeTensor(queries.shape);
  std::vector<double> scores;
  std::vector<int64_t> visible;
  for (int64_t row = 0; row < rowsOf(queries); ++row)
    for (int64_t head = 0; head < heads; ++head) {
      const double *given = queries.values.data() + (row * heads + head) * headDim;
      std::vector<double> query(given, given + headDim);
      if (place.type.getLayout().element == KVElement::Int8)
        roundAs(place.type, query.data());
      double *out = result.values.data() + (row * heads + head) * headDim;
      int64_t position = place.position + row;
      scores.clear();
      visible.clear();
      double largest = -std::numeric_limits<double>::infinity(), sink = largest;
      for (int64_t s = 0, end = settings.end.value_or(position + 1); s < end; ++s) {
        if (!settings.sees(position, s))
          continue;
        const double *key = place.cache->keys.data() + place.at(head / shared, s);
        double score = 0;
        for (int64_t d = 0; d < headDim; ++d)
          score += query[d] * key[d];
        score *= settings.scale;
        if (settings.softCap != 0)
          score = softCap(score, settings.softCap);
        score += settings.biasOf(head, position, s);
        visible.push_back(s);
        scores.push_back(score);
        largest = std::max(largest, score);
      }
      if (settings.sinkLogits) {
        sink = settings.sinkLogits->values[size_t(head)];
        largest = std::max(largest, sink);
      }
      double total = settings.sinkLogits ? std::exp(sink - largest) : 0;
      for (double &score : scores)
        total += score = std::exp(score - largest);
      for (size_t i = 0; i < visible.size(); ++i) {
        const double *value = place.cache->values.data() + place.at(head / shared, visible[i]);
        for (int64_t d = 0; d < headDim; ++d)
          out[d] += scores[i] / total * value[d];
      }
    }
  return result;
}
