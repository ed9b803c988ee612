// Perplexity over windows of texts, and divergence from a reference.
#include "stc/Runtime/Evaluation.h"

#include "stc/Packing/Bundle.h"
#include "stc/Support/Pooling.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

LogitsHeader describeLogits(int64_t vocabulary, int64_t context,
                            absl::Span<const EvalWindow> windows, ModelKind kind) {
  // Lengths are hashed too: other windows of the same text give other predictions.
  std::vector<int32_t> ids;
  for (const EvalWindow &window : windows) {
    ids.push_back(int32_t(window.size()));
    ids.insert(ids.end(), window.begin(), window.end());
  }
  LogitsHeader header;
  header.vocabulary = uint64_t(vocabulary);
  header.context = uint64_t(context);
  header.rows = kind == ModelKind::Encoder
                    ? windows.size()
                    : uint64_t(scoredTokens(windows, kind == ModelKind::EncoderDecoder));
  header.tokensHash = hashBytes(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(ids.data()),
                                                    ids.size() * sizeof(int32_t)));
  return header;
}

namespace {

/// Takes the logits of one block of rows after the other.
class Scorer {
public:
  Scorer(ThreadPool &pool, size_t vocabulary, LogitsReader *reference, LogitsWriter *writer)
      : pool(pool), vocabulary(vocabulary), reference(reference), writer(writer) {}
  /// `targets` are the tokens that the rows of `logits` predict.
  absl::Status score(absl::Span<const float> logits, absl::Span<const int32_t> targets);
  const Evaluation &result() const { return sums; }

private:
  void scoreRow(absl::Span<const float> logits, int32_t target, size_t row);

  ThreadPool &pool;
  const size_t vocabulary;
  LogitsReader *reference;
  LogitsWriter *writer;
  Evaluation sums;
  std::vector<float> referenceRows;
  std::vector<uint8_t> encoded;
  struct Row {
    double loss = 0, referenceLoss = 0, divergence = 0;
    bool agrees = false;
  };
  std::vector<Row> rows;
};

void Scorer::scoreRow(absl::Span<const float> logits, int32_t target, size_t row) {
  Row &result = rows[row];
  double logSum;
  if (reference) {
    auto others = absl::MakeConstSpan(referenceRows).subspan(row * vocabulary, vocabulary);
    PredictionComparison comparison = comparePredictions(others, logits);
    logSum = comparison.modelLogSum;
    result.referenceLoss = comparison.referenceLogSum - double(others[size_t(target)]);
    result.divergence = comparison.divergence;
    result.agrees = comparison.agrees;
  } else {
    logSum = logSumExp(logits);
  }
  result.loss = logSum - double(logits[size_t(target)]);
  if (writer)
    writer->encode(logits, logSum, encoded.data() + row * writer->header().rowBytes());
}

absl::Status Scorer::score(absl::Span<const float> logits, absl::Span<const int32_t> targets) {
  rows.resize(targets.size());
  if (reference) {
    referenceRows.resize(logits.size());
    STC_RETURN_IF_ERROR(reference->read(absl::MakeSpan(referenceRows)));
  }
  if (writer)
    encoded.resize(targets.size() * writer->header().rowBytes());
  // A large vocabulary's exponentials would take one thread longer than the model.
  pool.run([&](int64_t thread, int64_t threads) {
    for (size_t row = size_t(thread); row < targets.size(); row += size_t(threads))
      scoreRow(logits.subspan(row * vocabulary, vocabulary), targets[row], row);
  });
  for (const Row &row : rows) {
    if (std::isnan(row.loss))
      return formatError({"", "logits", {}}, "numbers", "NaN");
    sums.model.losses.add(row.loss);
    if (!reference)
      continue;
    if (std::isnan(row.referenceLoss) || std::isnan(row.divergence))
      return formatError({reference->path(), "logits", {}}, "numbers", "NaN");
    sums.reference.losses.add(row.referenceLoss);
    sums.divergences.add(row.divergence);
    sums.agreements.add(row.agrees ? 1 : 0);
  }
  return writer ? writer->write(encoded) : absl::OkStatus();
}

} // namespace

absl::StatusOr<Evaluation> evaluate(Session &session, absl::Span<const EvalWindow> windows,
                                    LogitsReader *reference, LogitsWriter *writer,
                                    absl::FunctionRef<void(int64_t)> progress) {
  size_t vocabulary = size_t(session.owner().settings().vocabSize);
  Scorer scorer(session.owner().pool(), vocabulary, reference, writer);
  bool isPair = session.owner().settings().kind == ModelKind::EncoderDecoder;
  for (const EvalWindow &window : windows) {
    session.reset();
    absl::Span<const int32_t> written = window;
    if (isPair) {
      size_t source = window.size() / 2;
      STC_RETURN_IF_ERROR(session.readSource(written.subspan(0, source)));
      written.remove_prefix(source);
    }
    STC_RETURN_IF_ERROR(session.score(written, [&](int64_t first, absl::Span<const float> logits) {
      // What follows the last token is not known.
      auto targets =
          written.subspan(size_t(first) + 1, std::min(logits.size() / vocabulary, written.size()));
      return scorer.score(logits.subspan(0, targets.size() * vocabulary), targets);
    }));
    progress(scoredTokens(window, isPair));
  }
  return scorer.result();
}

absl::StatusOr<EmbeddingEvaluation>
evaluateEmbeddings(Session &session, absl::Span<const EvalWindow> windows, LogitsReader *reference,
                   LogitsWriter *writer, absl::FunctionRef<void(int64_t)> progress) {
  EmbeddingEvaluation result;
  std::vector<float> theirs(size_t(session.owner().settings().hiddenSize));
  std::vector<uint8_t> encoded;
  for (const EvalWindow &window : windows) {
    STC_ASSIGN_OR_RETURN(std::vector<float> vector, session.embed(window));
    if (reference) {
      STC_RETURN_IF_ERROR(reference->read(absl::MakeSpan(theirs)));
      double distance = cosineDistance(theirs, vector);
      if (std::isnan(distance))
        return formatError({reference->path(), "vectors", {}}, "numbers", "NaN");
      result.distances.add(distance);
    }
    if (writer) {
      encoded.resize(writer->header().rowBytes());
      writer->encode(vector, /*logSum=*/0, encoded.data());
      STC_RETURN_IF_ERROR(writer->write(encoded));
    }
    ++result.texts;
    progress(1);
  }
  return result;
}

} // namespace stc
