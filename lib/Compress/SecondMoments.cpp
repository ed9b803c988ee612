// Streams inputs into second and cross moments.
#include "stc/Compress/SecondMoments.h"

#include "stc/Compress/LinearAlgebra.h"
#include "stc/Packing/Pack.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

namespace stc {

namespace {

/// Tokens folded into H at a time: enough for fast products, few enough to keep at hand.
constexpr int64_t kFoldTokens = 256;
/// Begins serialized moments; the last byte is the version.
constexpr char kMagic[8] = {'s', 't', 'c', 'm', 'o', 'm', '\0', '\1'};

absl::Status checkTokens(absl::Span<const float> values, int64_t width, absl::string_view what) {
  if (int64_t(values.size()) % width != 0)
    return formatError({"", std::string(what), {}}, absl::StrCat("a multiple of ", width),
                       absl::StrCat(values.size(), " values"));
  if (checkFinite(values, what).ok())
    return absl::OkStatus();
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return formatError({"", std::string(what), {}}, "finite activations",
                         absl::StrCat(values[i], " at token ", int64_t(i) / width, ", channel ",
                                      int64_t(i) % width));
  return absl::OkStatus();
}

absl::Status checkRange(absl::Span<const double> squares, absl::string_view what) {
  for (size_t i = 0; i < squares.size(); ++i)
    if (!(squares[i] < double(FLT_MAX)))
      return formatError({"", std::string(what), {}},
                         "activations whose squares sum to less than 2^128",
                         absl::StrCat(squares[i], " in channel ", i));
  return absl::OkStatus();
}

template <typename T> void append(std::vector<uint8_t> &bytes, const T *values, size_t count) {
  const auto *begin = reinterpret_cast<const uint8_t *>(values);
  bytes.insert(bytes.end(), begin, begin + count * sizeof(T));
}

/// Moves `count` values from the front of `bytes`, which are known to be there.
template <typename T> void take(absl::Span<const uint8_t> &bytes, T *values, size_t count) {
  std::memcpy(values, bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

} // namespace

SecondMoments::SecondMoments(int64_t columns)
    : width(columns), gram(size_t(columns * columns), 0.0f), squareSums(size_t(columns), 0.0),
      magnitudeSums(squareSums), valueSums(squareSums), largestMagnitudes(size_t(columns), 0.0f) {}

absl::Status SecondMoments::add(absl::Span<const float> inputs) {
  STC_RETURN_IF_ERROR(checkTokens(inputs, width, "calibration inputs"));
  std::vector<double> squares = squareSums;
  for (size_t token = 0; token < inputs.size(); token += size_t(width))
    for (size_t i = 0; i < size_t(width); ++i)
      squares[i] += double(inputs[token + i]) * inputs[token + i];
  STC_RETURN_IF_ERROR(checkRange(squares, "calibration inputs"));
  squareSums = std::move(squares);
  for (size_t token = 0; token < inputs.size(); token += size_t(width))
    for (size_t i = 0; i < size_t(width); ++i) {
      float value = inputs[token + i], magnitude = std::fabs(value);
      magnitudeSums[i] += magnitude;
      valueSums[i] += value;
      largestMagnitudes[i] = std::max(largestMagnitudes[i], magnitude);
    }
  tokenCount += int64_t(inputs.size()) / width;
  while (!inputs.empty()) {
    size_t room = size_t(kFoldTokens * width) - buffered.size();
    absl::Span<const float> part = inputs.subspan(0, room);
    buffered.insert(buffered.end(), part.begin(), part.end());
    inputs.remove_prefix(part.size());
    if (part.size() == room)
      fold();
  }
  return absl::OkStatus();
}

void SecondMoments::fold() const {
  linalg::addGram(int64_t(buffered.size()) / width, width, 1, buffered.data(), gram.data());
  buffered.clear();
  symmetric = false;
}

absl::Span<const float> SecondMoments::matrix() const {
  if (!buffered.empty())
    fold();
  if (!symmetric) {
    linalg::mirrorUpper(width, gram.data());
    symmetric = true;
  }
  return gram;
}

int64_t SecondMoments::deadInputs() const {
  return std::count(squareSums.begin(), squareSums.end(), 0.0);
}

double SecondMoments::meanDiagonal() const {
  double sum = 0;
  for (double square : squareSums)
    sum += square;
  return sum > 0 ? sum / double(width) : 1;
}

void SecondMoments::divideInputs(absl::Span<const float> divisors) {
  matrix(); // folds in what is buffered
  for (int64_t row = 0; row < width; ++row) {
    double divisor = divisors[size_t(row)], size = std::fabs(divisor);
    for (int64_t column = 0; column < width; ++column) {
      float &value = gram[size_t(row * width + column)];
      value = float(double(value) / (divisor * double(divisors[size_t(column)])));
    }
    squareSums[size_t(row)] /= divisor * divisor;
    magnitudeSums[size_t(row)] /= size;
    valueSums[size_t(row)] /= divisor;
    largestMagnitudes[size_t(row)] = float(double(largestMagnitudes[size_t(row)]) / size);
  }
}

std::vector<uint8_t> SecondMoments::serialize() const {
  absl::Span<const float> h = matrix();
  std::vector<uint8_t> bytes;
  bytes.reserve(size_t(width * (width + 1) * 2 + width * 28 + 24));
  append(bytes, kMagic, sizeof(kMagic));
  append(bytes, &width, 1);
  append(bytes, &tokenCount, 1);
  append(bytes, squareSums.data(), squareSums.size());
  append(bytes, magnitudeSums.data(), magnitudeSums.size());
  append(bytes, valueSums.data(), valueSums.size());
  append(bytes, largestMagnitudes.data(), largestMagnitudes.size());
  for (int64_t row = 0; row < width; ++row)
    append(bytes, h.data() + row * width + row, size_t(width - row));
  return bytes;
}

absl::StatusOr<SecondMoments> SecondMoments::deserialize(absl::Span<const uint8_t> bytes) {
  auto error = [](absl::string_view expected, absl::string_view got) {
    return formatError({"", "calibration statistics", {}}, expected, got);
  };
  int64_t columns = 0, tokens = 0;
  if (bytes.size() < 24 || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0)
    return error("statistics of this version", "other bytes");
  bytes.remove_prefix(sizeof(kMagic));
  take(bytes, &columns, 1);
  take(bytes, &tokens, 1);
  bool plausible = columns >= 1 && columns < (int64_t(1) << 20) && tokens >= 0;
  if (!plausible || int64_t(bytes.size()) != columns * (columns + 1) * 2 + columns * 28)
    return error("as many bytes as channels ask for", absl::StrCat(bytes.size()));
  SecondMoments moments(columns);
  moments.tokenCount = tokens;
  take(bytes, moments.squareSums.data(), size_t(columns));
  take(bytes, moments.magnitudeSums.data(), size_t(columns));
  take(bytes, moments.valueSums.data(), size_t(columns));
  take(bytes, moments.largestMagnitudes.data(), size_t(columns));
  bool finite = checkFinite(moments.largestMagnitudes, "").ok();
  for (size_t i = 0; i < size_t(columns); ++i)
    finite &= std::isfinite(moments.squareSums[i]) && moments.squareSums[i] >= 0 &&
              std::isfinite(moments.magnitudeSums[i]) && std::isfinite(moments.valueSums[i]);
  for (int64_t row = 0; row < columns; ++row)
    take(bytes, moments.gram.data() + row * columns + row, size_t(columns - row));
  moments.symmetric = false;
  if (!finite || !checkFinite(moments.gram, "").ok())
    return error("finite sums", "others");
  return moments;
}

CrossMoments::CrossMoments(int64_t rows, int64_t columns)
    : height(rows), width(columns), products(size_t(rows * columns), 0.0f),
      squareSums(size_t(rows), 0.0) {}

absl::Status CrossMoments::add(absl::Span<const float> outputs, absl::Span<const float> inputs) {
  STC_RETURN_IF_ERROR(checkTokens(outputs, height, "calibration outputs"));
  STC_RETURN_IF_ERROR(checkTokens(inputs, width, "calibration inputs"));
  int64_t tokens = int64_t(outputs.size()) / height;
  if (int64_t(inputs.size()) / width != tokens)
    return formatError({"", "calibration outputs", {}},
                       absl::StrCat(int64_t(inputs.size()) / width, " tokens, as many as inputs"),
                       absl::StrCat(tokens));
  std::vector<double> squares = squareSums;
  for (size_t token = 0; token < outputs.size(); token += size_t(height))
    for (size_t i = 0; i < size_t(height); ++i)
      squares[i] += double(outputs[token + i]) * outputs[token + i];
  STC_RETURN_IF_ERROR(checkRange(squares, "calibration outputs"));
  squareSums = std::move(squares);
  linalg::multiply(height, width, tokens, 1, {outputs.data(), height, true}, {inputs.data(), width},
                   1, products.data(), width);
  tokenCount += tokens;
  return absl::OkStatus();
}

} // namespace stc
