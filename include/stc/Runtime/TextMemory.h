// A session that keeps what it has read, so that a text that begins the same is not read again.
#ifndef STC_RUNTIME_TEXTMEMORY_H
#define STC_RUNTIME_TEXTMEMORY_H

#include "stc/Runtime/Generate.h"

namespace stc {

/// One text after another, of which each may begin like the one before.
class TextMemory {
public:
  /// `model` must outlive it. Errors: those of Session::create.
  static absl::StatusOr<std::unique_ptr<TextMemory>> create(Model &model);

  Session &session() { return *own; }
  /// How many of the first tokens of `ids` need not be read again: not the last, as the logits
  /// behind it are wanted.
  int64_t commonBeginning(absl::Span<const int32_t> ids) const;
  /// Goes back to where `ids` and what was read part ways, and returns `commonBeginning`.
  int64_t keepBeginning(absl::Span<const int32_t> ids);
  /// Begins anew.
  void forget();
  /// Reads tokens and hands their logits to `sink` (Session::score). After an error nothing is
  /// kept.
  absl::Status score(absl::Span<const int32_t> tokens, Session::LogitsSink sink);

  /// Begins to read what `keepBeginning` of the same `ids` left to be read, and to generate what
  /// follows, in turns of `advance` up to the last, or as far as `stop` (see Generation). After an
  /// error nothing is kept.
  absl::Status begin(Sampler &sampler, std::vector<int32_t> ids, const GenerateOptions &options);
  absl::StatusOr<bool> advance(Generation::Emit emit);
  void stop();
  /// The text that was begun last; null before the first.
  const Generation *text() const { return generation.get(); }
  /// All turns in a row.
  absl::StatusOr<GenerateResult> generate(Sampler &sampler, std::vector<int32_t> ids,
                                          const GenerateOptions &options, Generation::Emit emit);

private:
  std::unique_ptr<Session> own;
  std::vector<int32_t> read; // what the session has read
  std::vector<int32_t> ids;  // what it reads now: the text that was begun, as far as it is known
  std::unique_ptr<Generation> generation;
};

} // namespace stc

#endif // STC_RUNTIME_TEXTMEMORY_H
