// Rendering in one call.
#ifndef STC_UNITTESTS_CHAT_RENDER_H
#define STC_UNITTESTS_CHAT_RENDER_H

#include "stc/Chat/ChatTemplate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {

using Messages = std::vector<ChatMessage>;

/// A system message, and three turns.
inline Messages conversation() {
  return {{"system", "Be brief."}, {"user", "Hello"}, {"assistant", "Hi there"}, {"user", "Bye"}};
}

inline absl::StatusOr<std::string>
tryRender(absl::string_view text, const Messages &messages = conversation(), bool answer = true) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<ChatTemplate> chat, ChatTemplate::parse(text, "test.json"));
  ChatSettings settings;
  settings.bosToken = "<s>";
  settings.eosToken = "</s>";
  settings.addGenerationPrompt = answer;
  return chat->render(messages, settings);
}

inline std::string render(absl::string_view text, const Messages &messages = conversation(),
                          bool answer = true) {
  absl::StatusOr<std::string> result = tryRender(text, messages, answer);
  EXPECT_TRUE(result.ok()) << result.status() << "\n" << text;
  return result.ok() ? *result : "";
}

inline std::string refusal(absl::string_view text, const Messages &messages = conversation()) {
  absl::StatusOr<std::string> result = tryRender(text, messages);
  EXPECT_FALSE(result.ok()) << text << " gives " << (result.ok() ? *result : "");
  return result.ok() ? "" : std::string(result.status().message());
}

} // namespace stc

#endif // STC_UNITTESTS_CHAT_RENDER_H
