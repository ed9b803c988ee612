// A model's functions on this machine's processors.
#include "stc/Runtime/Executor.h"

#include "stc/Runtime/Memory.h"
#include "stc/Runtime/Model.h"
#include "stc/Runtime/Unfold.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace stc {

TextSizes::TextSizes(const ModelSettings &settings)
    : chunk(std::min(settings.prefillChunk, settings.maxContext)),
      arena(uint64_t(settings.arenaBytes)), keyCache(uint64_t(settings.keyCacheBytes)),
      valueCache(uint64_t(settings.valueCacheBytes)) {
  // Scores are handed out in blocks of rows of about this size, however large the vocabulary.
  constexpr int64_t scoreBufferBytes = 16 << 20;
  columns = settings.labelLogits > 0 ? settings.labelLogits : settings.vocabSize;
  scoreRows = std::clamp<int64_t>(scoreBufferBytes / (4 * columns), 1, chunk);
  if (settings.kind == ModelKind::Encoder)
    scoreRows = 1;
  // The bundle bounds each number, not their products. Four times this fits 64 bits.
  constexpr uint64_t beyondAnyMachine = uint64_t(1) << 58;
  hidden = 4 * std::min(uint64_t(chunk) * uint64_t(settings.hiddenSize), beyondAnyMachine);
  logits = 4 * uint64_t(scoreRows) * uint64_t(columns);
}

namespace {

class CpuExecutor final : public Executor {
public:
  explicit CpuExecutor(Model &model) : model(model) {}
  absl::Status allocate();
  absl::Status encode(absl::Span<const int32_t> tokens) override;
  absl::Status encode(absl::Span<const float> features) override;
  absl::Status prefill(absl::Span<const int32_t> tokens, int64_t position) override;
  absl::Status prefill(absl::Span<const int32_t> tokens, absl::Span<const float> rows) override;
  absl::StatusOr<absl::Span<const float>> decode(int32_t token, int64_t position) override;
  absl::StatusOr<absl::Span<const float>> hiddenStates(int64_t tokens) override {
    return absl::MakeConstSpan(hidden.floats(), size_t(tokens * model.settings().hiddenSize));
  }
  absl::StatusOr<absl::Span<const float>> score(int64_t first, int64_t rows,
                                                int64_t position) override;

private:
  StcFrame frame(absl::Span<const int32_t> tokens, int64_t position);
  void call(StcFunction function, const StcFrame &frame);
  absl::Span<const float> rowsOfLogits(int64_t rows) const {
    return {logits.floats(), size_t(rows * TextSizes(model.settings()).columns)};
  }

  Model &model;
  int64_t encoded = 0; // tokens of the last call of encode
  Memory arena, keyCache, valueCache, hidden, logits;
};

absl::Status CpuExecutor::allocate() {
  TextSizes sizes(model.settings());
  STC_ASSIGN_OR_RETURN(arena, Memory::allocate(sizes.arena, "scratch space"));
  STC_ASSIGN_OR_RETURN(keyCache, Memory::allocate(sizes.keyCache, "the KV cache"));
  STC_ASSIGN_OR_RETURN(valueCache, Memory::allocate(sizes.valueCache, "the KV cache"));
  STC_ASSIGN_OR_RETURN(hidden, Memory::allocate(sizes.hidden, "the hidden states"));
  STC_ASSIGN_OR_RETURN(logits, Memory::allocate(sizes.logits, "the logits"));
  return absl::OkStatus();
}

StcFrame CpuExecutor::frame(absl::Span<const int32_t> tokens, int64_t position) {
  StcFrame frame = {};
  frame.weights = model.contents().weights().data();
  frame.arena = arena.data();
  frame.key_cache = keyCache.data();
  frame.value_cache = valueCache.data();
  frame.tokens = tokens.data();
  frame.n_tokens = int64_t(tokens.size());
  frame.position = position;
  frame.hidden = hidden.floats();
  frame.logits = logits.floats();
  frame.sync = model.pool().sync();
  frame.encoded = encoded;
  return frame;
}

void CpuExecutor::call(StcFunction function, const StcFrame &frame) {
  model.pool().run([&](int64_t thread, int64_t threads) { function(&frame, thread, threads); });
}

absl::Status CpuExecutor::encode(absl::Span<const int32_t> tokens) {
  call(model.variant().encode, frame(tokens, 0));
  encoded = int64_t(tokens.size());
  return absl::OkStatus();
}

/// Two convolutions of kernel size 3: the stem is the first one, of stride 1, and @encode begins
/// with the second, of stride 2.
absl::Status CpuExecutor::encode(absl::Span<const float> features) {
  int64_t columns = model.settings().featureSize, width = model.settings().hiddenSize;
  int64_t rows = int64_t(features.size()) / columns;
  std::vector<float> unfolded = unfoldRows(features, columns, /*stride=*/1);
  std::vector<float> stem(size_t(rows * width));
  StcFrame first = frame({}, 0);
  first.n_tokens = rows;
  first.features = unfolded.data();
  first.hidden = stem.data();
  call(model.variant().stem, first);

  unfolded = unfoldRows(stem, width, /*stride=*/2);
  std::vector<int32_t> positions(size_t(rows + 1) / 2);
  std::iota(positions.begin(), positions.end(), 0);
  StcFrame second = frame(positions, 0);
  second.features = unfolded.data();
  call(model.variant().encode, second);
  encoded = int64_t(positions.size());
  return absl::OkStatus();
}

absl::Status CpuExecutor::prefill(absl::Span<const int32_t> tokens, int64_t position) {
  call(model.variant().prefill, frame(tokens, position));
  return absl::OkStatus();
}

absl::Status CpuExecutor::prefill(absl::Span<const int32_t> tokens, absl::Span<const float> rows) {
  StcFrame whole = frame(tokens, 0);
  whole.features = rows.data();
  call(model.variant().prefill, whole);
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> CpuExecutor::decode(int32_t token, int64_t position) {
  call(model.variant().decode, frame({&token, 1}, position));
  return rowsOfLogits(1);
}

absl::StatusOr<absl::Span<const float>> CpuExecutor::score(int64_t first, int64_t rows,
                                                           int64_t position) {
  StcFrame block = frame({}, position);
  block.n_tokens = rows;
  block.hidden += first * model.settings().hiddenSize;
  call(model.variant().score, block);
  return rowsOfLogits(rows);
}

} // namespace

absl::StatusOr<std::unique_ptr<Executor>> createCpuExecutor(Model &model) {
  auto executor = std::make_unique<CpuExecutor>(model);
  STC_RETURN_IF_ERROR(executor->allocate());
  return executor;
}

} // namespace stc
