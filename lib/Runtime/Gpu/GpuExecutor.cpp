// A model's functions on a GPU: one launch each, tokens to the device and logits back.
#include "stc/Runtime/Gpu/GpuModel.h"

#include <cstring>
#include <vector>

namespace stc {

namespace {

class GpuExecutor final : public Executor {
public:
  explicit GpuExecutor(GpuModel &model) : model(model), sizes(model.settings()) {}
  absl::Status allocate();
  absl::Status prefill(absl::Span<const int32_t> tokens, int64_t position) override;
  absl::StatusOr<absl::Span<const float>> decode(int32_t token, int64_t position) override;
  absl::StatusOr<absl::Span<const float>> hiddenStates(int64_t tokens) override;
  absl::StatusOr<absl::Span<const float>> score(int64_t first, int64_t rows,
                                                int64_t position) override;

private:
  StcFrame frame(int64_t tokens, int64_t position) const;
  absl::Status sendTokens(absl::Span<const int32_t> tokens);
  /// Waits for a launch and for the logits that it wrote.
  absl::StatusOr<absl::Span<const float>> fetch(int64_t rows);

  GpuModel &model;
  const TextSizes sizes;
  GpuMemory arena, keyCache, valueCache, hidden, logits, tokenMemory, sync;
  PinnedMemory hostTokens, hostLogits;
  std::vector<float> hostHidden; // empty but after hiddenStates
};

absl::Status GpuExecutor::allocate() {
  GpuDevice &device = model.device();
  constexpr uint64_t syncBytes = 64;
  uint64_t tokenBytes = uint64_t(sizes.chunk) * sizeof(int32_t);
  struct {
    GpuMemory &memory;
    uint64_t bytes;
    const char *what;
    bool zeroed;
  } parts[] = {
      {arena, sizes.arena, "scratch space", false},
      // As on a processor: what was never written is a number.
      {keyCache, sizes.keyCache, "the KV cache", true},
      {valueCache, sizes.valueCache, "the KV cache", true},
      {hidden, sizes.hidden, "the hidden states", true},
      {logits, sizes.logits, "the logits", false},
      {tokenMemory, tokenBytes, "the tokens", false},
      {sync, syncBytes, "the barrier", true},
  };
  for (const auto &part : parts) {
    STC_ASSIGN_OR_RETURN(part.memory, GpuMemory::allocate(device, part.bytes, part.what));
    if (part.zeroed)
      STC_RETURN_IF_ERROR(device.zero(part.memory.address(), part.bytes));
  }
  STC_ASSIGN_OR_RETURN(hostTokens, PinnedMemory::allocate(device, tokenBytes, "the tokens"));
  STC_ASSIGN_OR_RETURN(hostLogits, PinnedMemory::allocate(device, sizes.logits, "the logits"));
  return device.synchronize();
}

StcFrame GpuExecutor::frame(int64_t tokens, int64_t position) const {
  StcFrame frame = {};
  frame.weights = model.weights().data();
  frame.arena = arena.data();
  frame.key_cache = keyCache.data();
  frame.value_cache = valueCache.data();
  frame.tokens = reinterpret_cast<const int32_t *>(tokenMemory.data());
  frame.n_tokens = tokens;
  frame.position = position;
  frame.hidden = reinterpret_cast<float *>(hidden.data());
  frame.logits = reinterpret_cast<float *>(logits.data());
  frame.sync = sync.data();
  return frame;
}

absl::Status GpuExecutor::sendTokens(absl::Span<const int32_t> tokens) {
  // Nothing is under way: every call waits for its launch.
  std::memcpy(hostTokens.data(), tokens.data(), tokens.size() * sizeof(int32_t));
  return model.device().upload(tokenMemory.address(), hostTokens.data(),
                               tokens.size() * sizeof(int32_t));
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::fetch(int64_t rows) {
  uint64_t count = uint64_t(rows) * uint64_t(model.settings().vocabSize);
  STC_RETURN_IF_ERROR(
      model.device().download(hostLogits.data(), logits.address(), count * sizeof(float)));
  STC_RETURN_IF_ERROR(model.device().synchronize());
  return absl::MakeConstSpan(static_cast<const float *>(hostLogits.data()), count);
}

absl::Status GpuExecutor::prefill(absl::Span<const int32_t> tokens, int64_t position) {
  STC_RETURN_IF_ERROR(sendTokens(tokens));
  STC_RETURN_IF_ERROR(
      model.device().launch(model.program().prefill, frame(int64_t(tokens.size()), position)));
  return model.device().synchronize();
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::decode(int32_t token, int64_t position) {
  STC_RETURN_IF_ERROR(sendTokens({&token, 1}));
  STC_RETURN_IF_ERROR(model.device().launch(model.program().decode, frame(1, position)));
  return fetch(1);
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::hiddenStates(int64_t tokens) {
  uint64_t count = uint64_t(tokens) * uint64_t(model.settings().hiddenSize);
  hostHidden.resize(count);
  STC_RETURN_IF_ERROR(
      model.device().download(hostHidden.data(), hidden.address(), count * sizeof(float)));
  STC_RETURN_IF_ERROR(model.device().synchronize());
  return absl::MakeConstSpan(hostHidden);
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::score(int64_t first, int64_t rows,
                                                           int64_t position) {
  StcFrame block = frame(rows, position);
  block.hidden += first * model.settings().hiddenSize;
  STC_RETURN_IF_ERROR(model.device().launch(model.program().score, block));
  return fetch(rows);
}

} // namespace

absl::StatusOr<std::unique_ptr<Executor>> GpuModel::createExecutor() {
  auto executor = std::make_unique<GpuExecutor>(*this);
  STC_RETURN_IF_ERROR(executor->allocate());
  return executor;
}

} // namespace stc
