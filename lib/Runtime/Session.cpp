// One text being read and written by a model: chunks, bounds and positions.
#include "stc/Runtime/Session.h"

#include "stc/Runtime/Image.h"
#include "stc/Support/Pooling.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc {

absl::StatusOr<std::unique_ptr<Session>> Session::create(Model &model) {
  std::unique_ptr<Session> session(new Session(model));
  STC_ASSIGN_OR_RETURN(session->executor, model.createExecutor());
  return session;
}

/// Errors unless all are in the vocabulary.
static absl::Status checkIds(const ModelSettings &settings, absl::Span<const int32_t> tokens) {
  int64_t vocabulary = settings.vocabSize;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocabulary)
      return formatError({"", absl::StrCat("token ", i), {}},
                         absl::StrCat("an id from 0 to ", vocabulary - 1), absl::StrCat(tokens[i]));
  return absl::OkStatus();
}

absl::Status Session::beginEncoding(bool hasFeatures) {
  const ModelSettings &settings = model.settings();
  reset();
  if (settings.kind != ModelKind::EncoderDecoder)
    return formatError({model.path(), "model", {}}, "an encoder and a decoder behind it",
                       absl::StrCat("one of kind ", modelKindName(settings.kind)));
  bool wantsFeatures = settings.featureSize > 0;
  if (hasFeatures != wantsFeatures)
    return formatError({"", "prompt", {}},
                       wantsFeatures ? "features, which this model's encoder reads (--audio or "
                                       "--features)"
                                     : "tokens, which this model's encoder reads",
                       wantsFeatures ? "tokens" : "features");
  return absl::OkStatus();
}

absl::Status Session::readSource(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(beginEncoding(/*hasFeatures=*/false));
  const ModelSettings &settings = model.settings();
  if (tokens.empty() || int64_t(tokens.size()) > settings.encoderContext)
    return formatError({"", "prompt", {}},
                       absl::StrCat("1 to ", settings.encoderContext,
                                    " tokens (the context this model's encoder was compiled for)"),
                       absl::StrCat(tokens.size()));
  STC_RETURN_IF_ERROR(checkIds(settings, tokens));
  STC_RETURN_IF_ERROR(executor->encode(tokens));
  isEncoded = true;
  return absl::OkStatus();
}

absl::Status Session::readSource(absl::Span<const float> features) {
  STC_RETURN_IF_ERROR(beginEncoding(/*hasFeatures=*/true));
  const ModelSettings &settings = model.settings();
  int64_t rows = int64_t(features.size()) / settings.featureSize;
  if (rows < 2 || rows % 2 != 0 || rows > 2 * settings.encoderContext ||
      rows * settings.featureSize != int64_t(features.size()))
    return formatError({"", "features", {}},
                       absl::StrCat("an even number of rows of ", settings.featureSize,
                                    " numbers, up to ", 2 * settings.encoderContext),
                       absl::StrCat(rows, " rows of ", features.size(), " numbers in all"));
  for (float value : features)
    if (!std::isfinite(value))
      return formatError({"", "features", {}}, "finite numbers", absl::StrCat(value));
  STC_RETURN_IF_ERROR(executor->encode(features));
  isEncoded = true;
  return absl::OkStatus();
}

absl::Status Session::checkTokens(absl::Span<const int32_t> tokens) const {
  if (model.settings().kind == ModelKind::EncoderDecoder && !isEncoded)
    return formatError({"", "text", {}}, "one that the encoder has read before the decoder's",
                       "none");
  if (model.image())
    return formatError({"", "text", {}}, "an image, which this model reads", "tokens");
  if (int64_t(tokens.size()) > maxContext() - length)
    return formatError(
        {"", "prompt", {}},
        absl::StrCat("at most ", maxContext(), " tokens (the context this model was compiled for)"),
        absl::StrCat(length + int64_t(tokens.size())));
  return checkIds(model.settings(), tokens);
}

absl::Status Session::prefill(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    if (absl::Status status = executor->prefill(part, length); !status.ok()) {
      length = start;
      return status;
    }
    length += int64_t(part.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> Session::decode(int32_t token) {
  STC_RETURN_IF_ERROR(model.require(Ability::Write));
  STC_RETURN_IF_ERROR(checkTokens({&token, 1}));
  STC_ASSIGN_OR_RETURN(absl::Span<const float> logits, executor->decode(token, length));
  ++length;
  return logits;
}

absl::StatusOr<absl::Span<const float>> Session::feed(absl::Span<const int32_t> tokens) {
  if (tokens.empty())
    return formatError({"", "prompt", {}}, "at least one token", "none");
  if (tokens.size() == 1)
    return decode(tokens.front());
  STC_RETURN_IF_ERROR(model.require(Ability::Write));
  int64_t start = length;
  STC_RETURN_IF_ERROR(prefill(tokens));
  // Of the last chunk the last token. To decode that one instead would read all weights once more.
  int64_t last = (int64_t(tokens.size()) - 1) % model.settings().prefillChunk;
  absl::StatusOr<absl::Span<const float>> logits = executor->score(last, 1, length - 1);
  if (!logits.ok())
    length = start;
  return logits;
}

absl::StatusOr<absl::Span<const float>> Session::encode(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(model.require(Ability::Embed));
  if (tokens.empty())
    return formatError({"", "text", {}}, "at least one token", "none");
  reset();
  STC_RETURN_IF_ERROR(prefill(tokens));
  return executor->hiddenStates(int64_t(tokens.size()));
}

absl::StatusOr<std::vector<float>> Session::embed(absl::Span<const int32_t> tokens) {
  STC_ASSIGN_OR_RETURN(absl::Span<const float> hidden, encode(tokens));
  return poolStates(hidden);
}

std::vector<float> Session::poolStates(absl::Span<const float> hidden) const {
  const ModelSettings &settings = model.settings();
  std::optional<Pooling> pooling = parsePooling(settings.pooling);
  std::vector<float> vector = pool(hidden, settings.hiddenSize, pooling.value_or(Pooling::Mean));
  if (settings.normalize)
    normalize(absl::MakeSpan(vector));
  return vector;
}

absl::StatusOr<absl::Span<const float>> Session::encodeImage(absl::Span<const float> pixels) {
  STC_RETURN_IF_ERROR(model.require(Ability::See));
  const ImageSettings &image = *model.image();
  if (int64_t(pixels.size()) != image.pixelNumbers())
    return formatError(
        {"", "pixels", {}},
        absl::StrCat(image.channels, " x ", image.height, " x ", image.width, " numbers"),
        absl::StrCat(pixels.size()));
  for (float value : pixels)
    if (!std::isfinite(value))
      return formatError({"", "pixels", {}}, "finite numbers", absl::StrCat(value));
  reset();
  std::vector<int32_t> tokens(size_t(image.positions()), int32_t(image.classTokens));
  std::iota(tokens.begin(), tokens.begin() + image.classTokens, 0);
  STC_RETURN_IF_ERROR(executor->prefill(tokens, unfoldPatches(pixels, image)));
  return executor->hiddenStates(image.positions());
}

absl::StatusOr<std::vector<float>> Session::embedImage(absl::Span<const float> pixels) {
  STC_ASSIGN_OR_RETURN(absl::Span<const float> hidden, encodeImage(pixels));
  return poolStates(hidden);
}

absl::StatusOr<std::vector<float>> Session::classifyImage(absl::Span<const float> pixels) {
  STC_RETURN_IF_ERROR(model.require(Ability::Classify));
  STC_RETURN_IF_ERROR(encodeImage(pixels).status());
  const ImageSettings &image = *model.image();
  size_t labels = image.labels.size();
  std::vector<float> logits(labels);
  for (int64_t head = 0; head < image.classifiers; ++head) {
    STC_ASSIGN_OR_RETURN(absl::Span<const float> all, executor->score(head, 1, head));
    for (size_t label = 0; label < labels; ++label)
      logits[label] += all[size_t(head) * labels + label] / float(image.classifiers);
  }
  return logits;
}

absl::Status Session::scoreChunk(int64_t first, int64_t count, LogitsSink sink) {
  int64_t rowsAtOnce = TextSizes(model.settings()).scoreRows;
  for (int64_t row = 0; row < count; row += rowsAtOnce) {
    int64_t rows = std::min(rowsAtOnce, count - row);
    STC_ASSIGN_OR_RETURN(absl::Span<const float> logits,
                         executor->score(row, rows, length - count + row));
    STC_RETURN_IF_ERROR(sink(first + row, logits));
  }
  return absl::OkStatus();
}

absl::Status Session::score(absl::Span<const int32_t> tokens, LogitsSink sink) {
  STC_RETURN_IF_ERROR(model.require(Ability::Write));
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    absl::Status status = executor->prefill(part, length);
    if (status.ok()) {
      length += int64_t(part.size());
      status = scoreChunk(int64_t(at), int64_t(part.size()), sink);
    }
    if (!status.ok()) {
      length = start;
      return status;
    }
  }
  return absl::OkStatus();
}

} // namespace stc
