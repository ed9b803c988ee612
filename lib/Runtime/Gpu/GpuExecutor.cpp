// A model's functions on a GPU: one launch each, tokens to the device and logits back.
#include "stc/Runtime/Gpu/GpuModel.h"
#include "stc/Runtime/Unfold.h"

#include <cstring>
#include <numeric>
#include <vector>

namespace stc {

namespace {

class GpuExecutor final : public Executor {
public:
  explicit GpuExecutor(GpuModel &model) : model(model), sizes(model.settings()) {}
  absl::Status allocate();
  absl::Status encode(absl::Span<const int32_t> tokens) override;
  absl::Status encode(absl::Span<const float> features) override;
  absl::Status prefill(absl::Span<const int32_t> tokens, int64_t position) override;
  absl::Status prefill(absl::Span<const int32_t> tokens, absl::Span<const float> rows) override;
  absl::StatusOr<absl::Span<const float>> decode(int32_t token, int64_t position) override;
  absl::StatusOr<absl::Span<const float>> hiddenStates(int64_t tokens) override;
  absl::StatusOr<absl::Span<const float>> score(int64_t first, int64_t rows,
                                                int64_t position) override;

private:
  StcFrame frame(int64_t tokens, int64_t position) const;
  absl::Status sendTokens(absl::Span<const int32_t> tokens);
  /// Launches a function that reads `rows` rows of features, sent first.
  absl::Status launchOnFeatures(const GpuFunction &function, absl::Span<const float> features,
                                int64_t rows);
  /// Waits for a launch and for the logits that it wrote.
  absl::StatusOr<absl::Span<const float>> fetch(int64_t rows);

  GpuModel &model;
  const TextSizes sizes;
  int64_t encoded = 0; // positions of the last call of encode
  GpuMemory arena, keyCache, valueCache, hidden, logits, tokenMemory, sync;
  PinnedMemory hostTokens, hostLogits;
  PinnedMemory hostHidden; // once someone asked for hidden states
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
  frame.encoded = encoded;
  return frame;
}

absl::Status GpuExecutor::sendTokens(absl::Span<const int32_t> tokens) {
  // Nothing is under way: every call waits for its launch.
  std::memcpy(hostTokens.data(), tokens.data(), tokens.size() * sizeof(int32_t));
  return model.device().upload(tokenMemory.address(), hostTokens.data(),
                               tokens.size() * sizeof(int32_t));
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::fetch(int64_t rows) {
  uint64_t count = uint64_t(rows) * uint64_t(sizes.columns);
  STC_RETURN_IF_ERROR(
      model.device().download(hostLogits.data(), logits.address(), count * sizeof(float)));
  STC_RETURN_IF_ERROR(model.device().synchronize());
  return absl::MakeConstSpan(static_cast<const float *>(hostLogits.data()), count);
}

absl::Status GpuExecutor::encode(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(sendTokens(tokens));
  STC_RETURN_IF_ERROR(
      model.device().launch(model.program().encode, frame(int64_t(tokens.size()), 0)));
  encoded = int64_t(tokens.size());
  return model.device().synchronize();
}

absl::Status GpuExecutor::launchOnFeatures(const GpuFunction &function,
                                           absl::Span<const float> features, int64_t rows) {
  GpuDevice &device = model.device();
  uint64_t bytes = features.size() * sizeof(float);
  STC_ASSIGN_OR_RETURN(GpuMemory there, GpuMemory::allocate(device, bytes, "the features"));
  STC_ASSIGN_OR_RETURN(PinnedMemory here, PinnedMemory::allocate(device, bytes, "the features"));
  std::memcpy(here.data(), features.data(), bytes);
  STC_RETURN_IF_ERROR(device.upload(there.address(), here.data(), bytes));
  StcFrame call = frame(rows, 0);
  call.features = reinterpret_cast<const float *>(there.data());
  STC_RETURN_IF_ERROR(device.launch(function, call));
  return device.synchronize();
}

/// As on processors: the stem, whose rows are unfolded here, and then the encoder.
absl::Status GpuExecutor::encode(absl::Span<const float> features) {
  int64_t columns = model.settings().featureSize, width = model.settings().hiddenSize;
  int64_t rows = int64_t(features.size()) / columns;
  STC_RETURN_IF_ERROR(
      launchOnFeatures(model.program().stem, unfoldRows(features, columns, /*stride=*/1), rows));
  STC_ASSIGN_OR_RETURN(absl::Span<const float> stem, hiddenStates(rows));

  std::vector<int32_t> positions(size_t(rows + 1) / 2);
  std::iota(positions.begin(), positions.end(), 0);
  STC_RETURN_IF_ERROR(sendTokens(positions));
  STC_RETURN_IF_ERROR(launchOnFeatures(
      model.program().encode, unfoldRows(stem, width, /*stride=*/2), int64_t(positions.size())));
  encoded = int64_t(positions.size());
  return absl::OkStatus();
}

absl::Status GpuExecutor::prefill(absl::Span<const int32_t> tokens, int64_t position) {
  STC_RETURN_IF_ERROR(sendTokens(tokens));
  auto count = int64_t(tokens.size());
  STC_RETURN_IF_ERROR(
      model.device().launch(model.program().prefillOf(count), frame(count, position)));
  return model.device().synchronize();
}

absl::Status GpuExecutor::prefill(absl::Span<const int32_t> tokens, absl::Span<const float> rows) {
  STC_RETURN_IF_ERROR(sendTokens(tokens));
  auto count = int64_t(tokens.size());
  return launchOnFeatures(model.program().prefillOf(count), rows, count);
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::decode(int32_t token, int64_t position) {
  STC_RETURN_IF_ERROR(sendTokens({&token, 1}));
  STC_RETURN_IF_ERROR(model.device().launch(model.program().decode, frame(1, position)));
  return fetch(1);
}

absl::StatusOr<absl::Span<const float>> GpuExecutor::hiddenStates(int64_t tokens) {
  uint64_t count = uint64_t(tokens) * uint64_t(model.settings().hiddenSize);
  if (!hostHidden.data()) {
    STC_ASSIGN_OR_RETURN(hostHidden,
                         PinnedMemory::allocate(model.device(), sizes.hidden, "the hidden states"));
  }
  STC_RETURN_IF_ERROR(
      model.device().download(hostHidden.data(), hidden.address(), count * sizeof(float)));
  STC_RETURN_IF_ERROR(model.device().synchronize());
  return absl::MakeConstSpan(static_cast<const float *>(hostHidden.data()), count);
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
