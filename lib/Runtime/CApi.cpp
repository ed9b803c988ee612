// The C interface over Model, Session and Generate.
#include "stc/Runtime/CApi.h"

#include "stc/Grammar/JsonSchema.h"
#include "stc/Runtime/ChatEncoder.h"
#include "stc/Runtime/Generate.h"
#include "stc/Runtime/Image.h"
#include "stc/Runtime/StopSequences.h"

#include <algorithm>
#include <cstring>

using namespace stc;

struct stc_model_t {
  std::unique_ptr<Model> model;
  std::unique_ptr<Session> session;
};

namespace {

constexpr int failure = -1;

/// Copies the message, cut to fit, and returns the failure code.
int fail(const absl::Status &status, char *error, size_t size) {
  if (error && size > 0) {
    size_t count = std::min(status.message().size(), size - 1);
    std::memcpy(error, status.message().data(), count);
    error[count] = '\0';
  }
  return failure;
}

absl::Status checkArgument(bool valid, const char *name, const char *expected) {
  return valid ? absl::OkStatus()
               : formatError({"", name, {}}, expected, "NULL or a negative number");
}

/// Checks a pointer that may be null only where `count` is 0.
absl::Status checkArray(const void *pointer, int64_t count, const char *name) {
  return checkArgument(count >= 0 && (pointer || count == 0), name, "an array and its length");
}

absl::Status computeLogits(Session &session, absl::Span<const int32_t> tokens, float *logits,
                           bool all) {
  if (!all) {
    STC_ASSIGN_OR_RETURN(absl::Span<const float> last, session.feed(tokens));
    std::copy(last.begin(), last.end(), logits);
    return absl::OkStatus();
  }
  if (tokens.empty())
    return formatError({"", "tokens", {}}, "at least one token", "none");
  int64_t vocabulary = session.owner().settings().vocabSize;
  return session.score(tokens, [&](int64_t first, absl::Span<const float> rows) {
    std::copy(rows.begin(), rows.end(), logits + first * vocabulary);
    return absl::OkStatus();
  });
}

/// A caller's structure, with zero in the fields that it does not have.
absl::StatusOr<stc_model_constraint_t> readConstraint(const stc_model_constraint_t *given) {
  stc_model_constraint_t constraint = {};
  if (!given)
    return constraint;
  if (given->size < sizeof(size_t) || given->size > 4096)
    return formatError({"", "constraint.size", {}}, "the size of a stc_model_constraint_t",
                       std::to_string(given->size));
  std::memcpy(&constraint, given, std::min(given->size, sizeof(constraint)));
  STC_RETURN_IF_ERROR(checkArray(constraint.stop, constraint.stop_count, "constraint.stop"));
  STC_RETURN_IF_ERROR(
      checkArray(constraint.end_tokens, constraint.end_count, "constraint.end_tokens"));
  for (int64_t i = 0; i < constraint.stop_count; ++i)
    STC_RETURN_IF_ERROR(
        checkArgument(constraint.stop[i] && *constraint.stop[i], "constraint.stop", "texts"));
  if (constraint.grammar && constraint.json_schema)
    return formatError({"", "constraint", {}}, "a grammar or a JSON schema", "both");
  return constraint;
}

/// The grammar that a constraint asks for; null if it asks for none.
absl::StatusOr<std::unique_ptr<GrammarConstraint>>
openGrammar(const stc_model_constraint_t &constraint, const Model &model) {
  if (!constraint.grammar && !constraint.json_schema)
    return std::unique_ptr<GrammarConstraint>();
  std::string text = constraint.grammar ? constraint.grammar : "";
  const char *field = constraint.grammar ? "constraint.grammar" : "constraint.json_schema";
  if (constraint.json_schema) {
    STC_ASSIGN_OR_RETURN(text, grammarOfSchema(constraint.json_schema, field));
  }
  STC_ASSIGN_OR_RETURN(std::shared_ptr<const Grammar> grammar, Grammar::parse(text, field));
  STC_ASSIGN_OR_RETURN(auto opened, GrammarConstraint::create(std::move(grammar), model));
  opened->restart(/*stripsSpace=*/false);
  return opened;
}

absl::StatusOr<int64_t> generateTokens(Session &session, absl::Span<const int32_t> prompt,
                                       const stc_model_sampling_t &sampling,
                                       const stc_model_constraint_t &constraint,
                                       stc_model_callback_t callback, void *user) {
  SamplerOptions sampler;
  sampler.temperature = sampling.temperature;
  sampler.topK = sampling.top_k;
  sampler.topP = sampling.top_p == 0 ? 1 : sampling.top_p;
  sampler.minP = sampling.min_p;
  sampler.repeatPenalty = sampling.repeat_penalty == 0 ? 1 : sampling.repeat_penalty;
  // Written so that NaN fails too.
  if (!(sampler.temperature >= 0 && sampler.topK >= 0 && sampler.topP > 0 && sampler.topP <= 1 &&
        sampler.minP >= 0 && sampler.minP <= 1 && sampler.repeatPenalty > 0))
    return formatError({"", "sampling", {}}, "numbers in the ranges the header gives", "others");
  Sampler chooser(sampler, sampling.seed);
  std::atomic<bool> stop{false};
  bool done = false;
  GenerateOptions options;
  options.maxTokens = sampling.max_tokens;
  options.ignoreEndOfText = sampling.ignore_eos != 0;
  options.stop = &stop;
  options.done = &done;
  options.endTokens.assign(constraint.end_tokens, constraint.end_tokens + constraint.end_count);
  STC_ASSIGN_OR_RETURN(std::unique_ptr<GrammarConstraint> grammar,
                       openGrammar(constraint, session.owner()));
  options.grammar = grammar.get();
  StopSequences stops({constraint.stop, constraint.stop + constraint.stop_count});
  auto show = [&](int32_t token, const std::string &text) {
    if (callback && callback(user, token, text.data(), text.size()) != 0)
      stop = true;
  };
  STC_ASSIGN_OR_RETURN(
      GenerateResult result,
      generate(session, chooser, prompt, options, [&](int32_t token) -> absl::Status {
        show(token, stops.push(session.owner().piece(token)));
        done = stops.found();
        return absl::OkStatus();
      }));
  if (std::string rest = stops.finish(); !rest.empty() && !stop)
    show(-1, rest);
  return result.tokens;
}

/// Writes what `make` gives for pixels.
int withPixels(stc_model_t *model, const float *pixels, float *result,
               absl::StatusOr<std::vector<float>> (Session::*make)(absl::Span<const float>),
               char *error, size_t error_size) {
  absl::Status status = checkArgument(pixels != nullptr, "pixels", "the numbers of an image");
  if (status.ok())
    status = checkArgument(result != nullptr, "result", "room for the result");
  if (!status.ok())
    return fail(status, error, error_size);
  auto made = (*model->session.*make)({pixels, size_t(stc_model_pixel_count(model))});
  if (!made.ok())
    return fail(made.status(), error, error_size);
  std::copy(made->begin(), made->end(), result);
  return 0;
}

} // namespace

stc_model_t *stc_model_open(const char *weights_path, int threads, char *error, size_t error_size) {
  absl::Status valid = checkArgument(weights_path && threads >= 0, "stc_model_open",
                                     "a path and a number of threads");
  if (!valid.ok())
    return fail(valid, error, error_size), nullptr;
  Model::Options options;
  options.threads = threads;
  auto handle = std::make_unique<stc_model_t>();
  absl::StatusOr<std::unique_ptr<Model>> model =
      Model::open(linkedModelCode(), weights_path, options);
  if (!model.ok())
    return fail(model.status(), error, error_size), nullptr;
  handle->model = *std::move(model);
  absl::StatusOr<std::unique_ptr<Session>> session = Session::create(*handle->model);
  if (!session.ok())
    return fail(session.status(), error, error_size), nullptr;
  handle->session = *std::move(session);
  return handle.release();
}

void stc_model_close(stc_model_t *model) { delete model; }

int64_t stc_model_vocab_size(const stc_model_t *model) {
  return model->model->settings().vocabSize;
}

int64_t stc_model_max_context(const stc_model_t *model) {
  return model->model->settings().maxContext;
}

int64_t stc_model_hidden_size(const stc_model_t *model) {
  return model->model->settings().hiddenSize;
}

int stc_model_embed(stc_model_t *model, const int32_t *tokens, int64_t count, float *vector,
                    char *error, size_t error_size) {
  absl::Status status = checkArray(tokens, count, "tokens");
  if (status.ok())
    status = checkArgument(vector != nullptr, "vector", "room for the result");
  if (!status.ok())
    return fail(status, error, error_size);
  absl::StatusOr<std::vector<float>> embedded = model->session->embed({tokens, size_t(count)});
  if (!embedded.ok())
    return fail(embedded.status(), error, error_size);
  std::copy(embedded->begin(), embedded->end(), vector);
  return 0;
}

int64_t stc_model_pixel_count(const stc_model_t *model) {
  const ImageSettings *image = model->model->image();
  return image ? image->pixelNumbers() : 0;
}

int64_t stc_model_label_count(const stc_model_t *model) {
  const ImageSettings *image = model->model->image();
  return image && image->classifiers > 0 ? int64_t(image->labels.size()) : 0;
}

const char *stc_model_label(const stc_model_t *model, int64_t label) {
  if (label < 0 || label >= stc_model_label_count(model))
    return nullptr;
  return model->model->image()->labels[size_t(label)].c_str();
}

int stc_model_read_image(const stc_model_t *model, const uint8_t *file, size_t size, float *pixels,
                         char *error, size_t error_size) {
  auto read = [&]() -> absl::Status {
    STC_RETURN_IF_ERROR(checkArgument(file || size == 0, "file", "bytes and their number"));
    STC_RETURN_IF_ERROR(checkArgument(pixels != nullptr, "pixels", "room for the result"));
    STC_RETURN_IF_ERROR(model->model->require(Ability::See));
    STC_ASSIGN_OR_RETURN(Image image, decodeImage({file, size}, "image"));
    STC_ASSIGN_OR_RETURN(std::vector<float> values,
                         imagePixels(image, *model->model->image(), "image"));
    std::copy(values.begin(), values.end(), pixels);
    return absl::OkStatus();
  };
  absl::Status status = read();
  return status.ok() ? 0 : fail(status, error, error_size);
}

int stc_model_embed_pixels(stc_model_t *model, const float *pixels, float *vector, char *error,
                           size_t error_size) {
  return withPixels(model, pixels, vector, &Session::embedImage, error, error_size);
}

int stc_model_classify_pixels(stc_model_t *model, const float *pixels, float *logits, char *error,
                              size_t error_size) {
  return withPixels(model, pixels, logits, &Session::classifyImage, error, error_size);
}

void stc_model_reset(stc_model_t *model) { model->session->reset(); }

int stc_model_logits(stc_model_t *model, const int32_t *tokens, int64_t count, float *logits,
                     int flags, char *error, size_t error_size) {
  absl::Status status = checkArray(tokens, count, "tokens");
  if (status.ok())
    status = checkArgument(logits != nullptr, "logits", "room for the result");
  if (status.ok())
    status = computeLogits(*model->session, {tokens, size_t(count)}, logits,
                           (flags & stc_model_all_positions) != 0);
  return status.ok() ? 0 : fail(status, error, error_size);
}

int64_t stc_model_generate(stc_model_t *model, const int32_t *tokens, int64_t count,
                           const stc_model_sampling_t *sampling, stc_model_callback_t callback,
                           void *user, char *error, size_t error_size) {
  return stc_model_generate_constrained(model, tokens, count, sampling, nullptr, callback, user,
                                        error, error_size);
}

int64_t stc_model_generate_constrained(stc_model_t *model, const int32_t *tokens, int64_t count,
                                       const stc_model_sampling_t *sampling,
                                       const stc_model_constraint_t *constraint,
                                       stc_model_callback_t callback, void *user, char *error,
                                       size_t error_size) {
  absl::Status status = checkArray(tokens, count, "tokens");
  if (status.ok())
    status = checkArgument(sampling != nullptr, "sampling", "a structure");
  if (!status.ok())
    return fail(status, error, error_size);
  absl::StatusOr<stc_model_constraint_t> wanted = readConstraint(constraint);
  if (!wanted.ok())
    return fail(wanted.status(), error, error_size);
  absl::StatusOr<int64_t> generated =
      generateTokens(*model->session, {tokens, size_t(count)}, *sampling, *wanted, callback, user);
  return generated.ok() ? *generated : fail(generated.status(), error, error_size);
}

int64_t stc_model_chat_tokens(const stc_model_t *model, const stc_model_message_t *messages,
                              int64_t count, int32_t *tokens, int64_t capacity,
                              int32_t *end_of_turn, char *error, size_t error_size) {
  absl::Status status = checkArray(messages, count, "messages");
  if (status.ok())
    status = checkArray(tokens, capacity, "tokens");
  for (int64_t i = 0; i < count && status.ok(); ++i)
    status =
        checkArgument(messages[i].role && messages[i].content, "messages", "a role and a content");
  if (!status.ok())
    return fail(status, error, error_size);
  absl::StatusOr<std::unique_ptr<ChatEncoder>> encoder = ChatEncoder::create(*model->model);
  if (!encoder.ok())
    return fail(encoder.status(), error, error_size);
  std::vector<ChatMessage> conversation;
  for (int64_t i = 0; i < count; ++i)
    conversation.push_back({messages[i].role, messages[i].content});
  absl::StatusOr<std::vector<int32_t>> ids = (*encoder)->encode(conversation, /*beginAnswer=*/true);
  if (!ids.ok())
    return fail(ids.status(), error, error_size);
  if (end_of_turn)
    *end_of_turn = (*encoder)->endOfTurn();
  std::copy_n(ids->begin(), std::min(capacity, int64_t(ids->size())), tokens);
  return int64_t(ids->size());
}

int64_t stc_model_tokenize(const stc_model_t *model, const char *text, size_t size, int add_special,
                           int32_t *tokens, int64_t capacity, char *error, size_t error_size) {
  absl::Status status = checkArray(text, int64_t(size), "text");
  if (status.ok())
    status = checkArray(tokens, capacity, "tokens");
  if (!status.ok())
    return fail(status, error, error_size);
  absl::StatusOr<const Tokenizer *> tokenizer = model->model->requireTokenizer();
  if (!tokenizer.ok())
    return fail(tokenizer.status(), error, error_size);
  Tokenizer::EncodeOptions options;
  options.addSpecial = add_special != 0;
  absl::StatusOr<std::vector<int32_t>> ids =
      (*tokenizer)->encode(absl::string_view(text, size), options);
  if (!ids.ok())
    return fail(ids.status(), error, error_size);
  std::copy_n(ids->begin(), std::min(capacity, int64_t(ids->size())), tokens);
  return int64_t(ids->size());
}

int64_t stc_model_detokenize(const stc_model_t *model, const int32_t *tokens, int64_t count,
                             char *text, size_t capacity, char *error, size_t error_size) {
  absl::Status status = checkArray(tokens, count, "tokens");
  if (status.ok())
    status = checkArray(text, int64_t(capacity), "text");
  if (!status.ok())
    return fail(status, error, error_size);
  absl::StatusOr<const Tokenizer *> tokenizer = model->model->requireTokenizer();
  if (!tokenizer.ok())
    return fail(tokenizer.status(), error, error_size);
  absl::StatusOr<std::string> decoded = (*tokenizer)->decode({tokens, size_t(count)});
  if (!decoded.ok())
    return fail(decoded.status(), error, error_size);
  std::copy_n(decoded->data(), std::min(capacity, decoded->size()), text);
  return int64_t(decoded->size());
}
