// Chat templates: a conversation as the variables of a template.
#include "stc/Chat/ChatTemplate.h"

#include "Interpreter.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

constexpr size_t kLongestTemplate = 1 << 20;

} // namespace

struct ChatTemplate::Program {
  jinja::NodePtr block;
  std::string file;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program(std::move(program)) {}
ChatTemplate::~ChatTemplate() = default;

absl::StatusOr<std::unique_ptr<ChatTemplate>> ChatTemplate::parse(absl::string_view text,
                                                                  const std::string &file) {
  if (text.size() > kLongestTemplate)
    return formatError({file, "chat_template", {}},
                       absl::StrCat("at most ", kLongestTemplate, " bytes"),
                       absl::StrCat(text.size()));
  auto program = std::make_unique<Program>();
  program->file = file;
  STC_ASSIGN_OR_RETURN(program->block, jinja::parseTemplate(text, file));
  return std::unique_ptr<ChatTemplate>(new ChatTemplate(std::move(program)));
}

absl::StatusOr<std::string> ChatTemplate::render(absl::Span<const ChatMessage> messages,
                                                 const ChatSettings &settings) const {
  using jinja::Value;
  uint64_t size = 0;
  jinja::List list;
  for (const ChatMessage &message : messages) {
    size += message.role.size() + message.content.size();
    list.push_back(Value::map(
        {{"role", Value::string(message.role)}, {"content", Value::string(message.content)}}));
  }
  jinja::Map globals = {{"messages", Value::list(std::move(list))},
                        {"add_generation_prompt", Value::boolean(settings.addGenerationPrompt)},
                        {"bos_token", Value::string(settings.bosToken)},
                        {"eos_token", Value::string(settings.eosToken)},
                        {"tools", Value::none()},
                        {"documents", Value::none()}};
  // Many times what the templates of real models need.
  uint64_t work = (uint64_t(64) << 20) + 256 * size;
  return jinja::interpret(*program->block, std::move(globals), work, program->file);
}

} // namespace stc
