// What of the KV cache stays from one text to the next.
#include "stc/Runtime/TextMemory.h"

namespace stc {

absl::StatusOr<std::unique_ptr<TextMemory>> TextMemory::create(Model &model) {
  auto memory = std::make_unique<TextMemory>();
  STC_ASSIGN_OR_RETURN(memory->own, Session::create(model));
  return memory;
}

int64_t TextMemory::commonBeginning(absl::Span<const int32_t> text) const {
  size_t common = 0;
  while (common < read.size() && common + 1 < text.size() && read[common] == text[common])
    ++common;
  return int64_t(common);
}

int64_t TextMemory::keepBeginning(absl::Span<const int32_t> text) {
  int64_t common = commonBeginning(text);
  own->rewind(common);
  read.resize(size_t(common));
  return common;
}

void TextMemory::forget() {
  own->reset();
  read.clear();
  ids.clear();
}

absl::Status TextMemory::score(absl::Span<const int32_t> tokens, Session::LogitsSink sink) {
  absl::Status status = own->score(tokens, sink);
  if (status.ok())
    read.insert(read.end(), tokens.begin(), tokens.end());
  else
    forget();
  return status;
}

absl::Status TextMemory::begin(Sampler &sampler, std::vector<int32_t> text,
                               const GenerateOptions &options) {
  absl::StatusOr<std::unique_ptr<Generation>> begun =
      Generation::create(*own, sampler, absl::MakeConstSpan(text).subspan(read.size()), options);
  if (!begun.ok()) {
    forget();
    return begun.status();
  }
  generation = *std::move(begun);
  ids = std::move(text);
  return absl::OkStatus();
}

absl::StatusOr<bool> TextMemory::advance(Generation::Emit emit) {
  absl::StatusOr<bool> more = generation->advance([&](int32_t token) {
    ids.push_back(token);
    return emit(token);
  });
  if (!more.ok())
    forget();
  else if (!*more)
    stop();
  return more;
}

void TextMemory::stop() {
  if (ids.empty()) // at its end already
    return;
  // What was chosen stands behind what was asked; the last of it may not have been read, and of a
  // prompt that was interrupted only a part.
  ids.resize(size_t(own->position()));
  read = std::move(ids);
  ids.clear();
}

absl::StatusOr<GenerateResult> TextMemory::generate(Sampler &sampler, std::vector<int32_t> text,
                                                    const GenerateOptions &options,
                                                    Generation::Emit emit) {
  STC_RETURN_IF_ERROR(begin(sampler, std::move(text), options));
  while (true) {
    STC_ASSIGN_OR_RETURN(bool more, advance(emit));
    if (!more)
      return generation->result();
  }
}

} // namespace stc
