// One text that is written for a request.
#ifndef STC_LIB_RUNTIME_SERVE_TEXTPART_H
#define STC_LIB_RUNTIME_SERVE_TEXTPART_H

#include "LogProbs.h"
#include "TextJob.h"

#include "stc/Runtime/TextStream.h"

#include <optional>

namespace stc {

/// A choice of a job's, which outlives it.
class TextPart : public JobPart {
public:
  /// Begins it in the memory of a slot. Errors: those of the model.
  static absl::StatusOr<std::unique_ptr<TextPart>> create(TextJob &job, size_t choice,
                                                          TextMemory &memory);
  ~TextPart() override;
  absl::StatusOr<bool> advance() override;

private:
  TextPart(TextJob &job, size_t choice, TextMemory &memory);
  absl::Status begin();
  absl::Status beginText();
  absl::Status scorePrompt();
  absl::Status take(int32_t token);
  void show(std::string piece, std::string reason);

  TextJob &job;
  const size_t choice;
  TextMemory &memory;
  const TextBeginning &prompt;
  const uint64_t seed;
  Sampler sampler;
  TextStream text;
  std::unique_ptr<GrammarConstraint> constraint;
  std::optional<LogProbs> logProbs;
  std::vector<WrittenToken> pending; // that belong to text which is not shown yet
  size_t scored = 0; // tokens of the prompt of which it is known how likely they were
  bool scoresPrompt = false, isEchoed = false;
  int64_t characters = 0; // shown
  int64_t cachedTokens = 0;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_TEXTPART_H
