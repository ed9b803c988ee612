// Chat templates: how a conversation is written for a model that was trained on conversations.
#ifndef STC_CHAT_CHATTEMPLATE_H
#define STC_CHAT_CHATTEMPLATE_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

struct ChatMessage {
  std::string role; // "system", "user", "assistant"
  std::string content;
};

/// What a template may use besides the messages: `bos_token` and `eos_token` as texts, and whether
/// the beginning of an answer is to be written (`add_generation_prompt`).
struct ChatSettings {
  std::string bosToken, eosToken;
  bool addGenerationPrompt = true;
};

/// A compiled template. It is written in a subset of Jinja (the one that Hugging Face's
/// `chat_template` uses): for, if, set, macro, break, continue, generation; expressions, filters,
/// tests and string methods; blocks trimmed as transformers has them (trim_blocks, lstrip_blocks).
/// It can reach nothing but its input, and time, memory and depth are bounded: templates come
/// from untrusted files. `tools` and `documents` are none; strftime_now is always at 26 Jul 2024,
/// so that the same conversation is the same text on any day.
class ChatTemplate {
public:
  /// Parses all of `text`. `file` names the source in errors, which tell the line. Errors: bad
  /// syntax, statements that are not supported, text over 1 MiB, deep nesting.
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> parse(absl::string_view text,
                                                             const std::string &file);
  ~ChatTemplate();

  /// The conversation as text. Errors: what the template raises itself (raise_exception), filters,
  /// tests and methods that are not supported, operations without meaning for their operands, too
  /// many steps or too much text.
  absl::StatusOr<std::string> render(absl::Span<const ChatMessage> messages,
                                     const ChatSettings &settings) const;

private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program;
};

} // namespace stc

#endif // STC_CHAT_CHATTEMPLATE_H
