// The formats that model families were trained on, as their model cards describe them. Templates
// and texts are written down by hand here, in the idiom of each family's published template.
#include "Render.h"

namespace stc {
namespace {

using testing::HasSubstr;

Messages withoutSystem() {
  Messages messages = conversation();
  messages.erase(messages.begin());
  return messages;
}

TEST(Families, ChatML) {
  const char *text = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
                     "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
                     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  EXPECT_EQ(render(text), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello"
                          "<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n"
                          "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(render(text, {{"user", "Hi"}}, false), "<|im_start|>user\nHi<|im_end|>\n");
}

TEST(Families, Qwen2) {
  // A system message of its own where there is none.
  const char *text = R"({%- if tools %}
    {{- '# Tools' }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";
  EXPECT_EQ(render(text, {{"user", "Hello"}}),
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(render(text), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello"
                          "<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n"
                          "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
}

TEST(Families, Llama2) {
  const char *text =
      "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
      "{% set system_message = messages[0]['content'] %}{% else %}"
      "{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
      "{% for message in loop_messages %}"
      "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}"
      "{% endif %}{% if loop.index0 == 0 and system_message != false %}"
      "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
      "{% else %}{% set content = message['content'] %}{% endif %}"
      "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
      "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}"
      "{% endif %}{% endfor %}";
  EXPECT_EQ(render(text), "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST] Hi there </s>"
                          "<s>[INST] Bye [/INST]");
  EXPECT_EQ(render(text, {{"user", " Hi "}}), "<s>[INST] Hi [/INST]");
  EXPECT_THAT(refusal(text, {{"user", "a"}, {"user", "b"}}),
              HasSubstr("got its refusal 'Conversation roles must alternate"));
}

TEST(Families, Llama3) {
  const char *text =
      "{% set loop_messages = messages %}{% for message in loop_messages %}"
      "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ "
      "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
      "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
      "{% if add_generation_prompt %}"
      "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";
  EXPECT_EQ(render(text, {{"user", " Hello "}, {"assistant", "Hi"}, {"user", "Bye"}}),
            "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(Families, Llama31KnowsTheDate) {
  const char *text = R"({{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- "<|eot_id|>" }}
)";
  EXPECT_EQ(render(text), "<s><|start_header_id|>system<|end_header_id|>\n\n"
                          "Today Date: 26 Jul 2024\n\n<|eot_id|>");
}

TEST(Families, Mistral) {
  const char *text =
      "{{ bos_token }}{% for message in messages %}"
      "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
      "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
      "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
      "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}"
      "{% endif %}{% endfor %}";
  EXPECT_EQ(render(text, withoutSystem()), "<s>[INST] Hello [/INST]Hi there</s>[INST] Bye [/INST]");
  EXPECT_THAT(refusal(text), HasSubstr("Conversation roles must alternate"));
}

TEST(Families, Gemma) {
  const char *text =
      "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
      "{{ raise_exception('System role not supported') }}{% endif %}"
      "{% for message in messages %}{% if (message['role'] == 'assistant') %}"
      "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
      "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
      "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";
  EXPECT_EQ(render(text, withoutSystem()),
            "<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\nHi there"
            "<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_THAT(refusal(text), HasSubstr("refusal 'System role not supported'"));
}

TEST(Families, Phi3) {
  const char *text = "{% for message in messages %}{% if message['role'] == 'system' %}"
                     "{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
                     "{% elif message['role'] == 'user' %}"
                     "{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
                     "{% elif message['role'] == 'assistant' %}"
                     "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
                     "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
                     "{% else %}{{ eos_token }}{% endif %}";
  EXPECT_EQ(render(text), "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n"
                          "<|assistant|>\nHi there<|end|>\n<|user|>\nBye<|end|>\n<|assistant|>\n");
  EXPECT_EQ(render(text, {{"user", "Hi"}}, false), "<|user|>\nHi<|end|>\n</s>");
}

TEST(Families, Zephyr) {
  // Its newlines come from the lines of the template.
  const char *text = R"({% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %})";
  EXPECT_EQ(render(text), "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n"
                          "<|assistant|>\nHi there</s>\n<|user|>\nBye</s>\n<|assistant|>\n");
}

TEST(Families, TheReasoningOfOldTurnsIsLeftOut) {
  const char *text =
      "{%- for message in messages -%}{%- set content = message['content'] -%}"
      "{%- if '</think>' in content -%}"
      "{%- set content = content.split('</think>', 1)[1].lstrip('\\n') -%}{%- endif -%}"
      "{{- content + eos_token -}}{%- endfor -%}";
  EXPECT_EQ(render(text, {{"user", "Hi"}, {"assistant", "<think>hm</think>\n\nYes"}}),
            "Hi</s>Yes</s>");
}

} // namespace
} // namespace stc
