// Completions and chats.
#ifndef STC_LIB_RUNTIME_SERVE_TEXTJOB_H
#define STC_LIB_RUNTIME_SERVE_TEXTJOB_H

#include "Job.h"

#include "stc/Runtime/Serve/OpenAiResponses.h"

namespace stc {

/// A request for texts: every choice of every prompt is a part.
class TextJob : public Job {
public:
  /// As Job::create.
  static absl::StatusOr<std::unique_ptr<Job>> create(Served &served, Arrival arrival);

  bool hasWaiting() const override { return begun < choices.size() && !isGone(); }
  absl::Span<const int32_t> nextBeginning() const override { return prompts[promptOf(begun)].ids; }
  absl::StatusOr<std::unique_ptr<JobPart>> beginNext(TextMemory &memory) override;
  void complete() override;

private:
  using Job::Job;
  friend class TextPart;
  size_t promptOf(size_t choice) const { return choice / size_t(request.choices); }
  uint64_t seedOf(size_t choice) const;
  /// A piece of a choice is there: text, or log probabilities too. `piece.reason`: it is the last.
  void show(const Choice &piece);
  void countText(size_t choice, const GenerateResult &result, int64_t cachedTokens);

  TextRequest request;
  AnswerHead head;
  std::vector<TextBeginning> prompts;
  std::vector<Choice> choices; // as far as they are written; of streams without text
  std::vector<bool> shown;     // choices that have begun in the stream
  size_t begun = 0;            // choices that have a slot, or had
  bool hasToken = false;       // the first token of all was counted
  Usage usage;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_TEXTJOB_H
