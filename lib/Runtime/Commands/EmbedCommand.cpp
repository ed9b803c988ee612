// embed: texts or images to vectors, by an encoder.
#include "ImageInput.h"
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Npy.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/Session.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "embed",
      "",
      "Turn texts or images into vectors (encoders).",
      "Prints one line of numbers per text: its hidden states, pooled and scaled to length 1 as\n"
      "the checkpoint says (`info` shows how), so that the product of two vectors is the cosine\n"
      "of the angle between them. Special tokens are added as the tokenizer says.\n"
      "Of an image, the vector is the hidden state of the CLS token, not scaled, unless the\n"
      "checkpoint says otherwise.",
      withModelOptions({{"--text", "", "TEXT", "A text (may be repeated).", true},
                        {"--text-file", "", "FILE", "Read texts from a file, one per line."},
                        {"--tokens", "", "IDS", "One text as token ids; nothing is added."},
                        imageOption(/*repeats=*/true),
                        {"--output", "-o", "FILE",
                         "Write the vectors to a .npy file, float32 [texts or images, hidden "
                         "size]."},
                        {"--json", "", "", "Print one JSON object."}}),
      {"embed --text \"A quick fox\"", "embed --image cat.jpg",
       "embed --text-file sentences.txt -o vectors.npy",
       "embed --text \"One.\" --text \"Two.\" --json"}};
  return spec;
}

/// One text as token ids, and what to call it in errors.
struct Text {
  std::string name;
  std::vector<int32_t> ids;
};

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> namedTexts(const Args &args) {
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<std::string> given = args.texts("--text");
  for (size_t i = 0; i < given.size(); ++i)
    texts.emplace_back(given.size() == 1 ? "--text" : absl::StrCat("--text ", i + 1), given[i]);
  if (!args.has("--text-file"))
    return texts;
  std::string path = args.text("--text-file");
  STC_ASSIGN_OR_RETURN(std::string content, readFile(path));
  std::vector<absl::string_view> lines = absl::StrSplit(content, '\n');
  if (lines.back().empty())
    lines.pop_back(); // behind the last newline
  if (lines.empty())
    return formatError({path, "", {}}, "at least one line", "an empty file");
  for (size_t i = 0; i < lines.size(); ++i)
    texts.emplace_back(absl::StrCat(path, ": line ", i + 1),
                       std::string(absl::StripSuffix(lines[i], "\r")));
  return texts;
}

absl::StatusOr<std::vector<Text>> readTexts(const Model &model, const Args &args) {
  if (args.has("--tokens")) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, args.tokenIds("--tokens"));
    return std::vector<Text>{{"--tokens", std::move(ids)}};
  }
  STC_ASSIGN_OR_RETURN(auto named, namedTexts(args));
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  std::vector<Text> texts;
  for (const auto &[name, text] : named) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer->encode(text, {}));
    texts.push_back({name, std::move(ids)});
  }
  return texts;
}

/// What a text can be wrong about, before any is read: none is embedded in vain.
absl::Status checkLength(const Text &text, int64_t most) {
  if (!text.ids.empty() && int64_t(text.ids.size()) <= most)
    return absl::OkStatus();
  return formatError(
      {text.name, "", {}},
      absl::StrCat("1 to ", most, " tokens (the context this model was compiled for)"),
      absl::StrCat(text.ids.size()));
}

std::string printJson(const std::vector<Text> &texts, const std::vector<std::string> &images,
                      const std::vector<std::vector<float>> &rows) {
  JsonWriter json;
  json.beginObject();
  json.beginArray("embeddings");
  for (size_t i = 0; i < rows.size(); ++i) {
    json.beginObject();
    if (texts.empty())
      json.string("image", images[i]);
    else
      json.integer("tokens", int64_t(texts[i].ids.size()));
    json.beginArray("embedding");
    for (float value : rows[i])
      json.number("", double(value));
    json.endArray();
    json.endObject();
  }
  json.endArray();
  json.endObject();
  return json.text();
}

absl::Status writeNpy(const std::string &path, const std::vector<std::vector<float>> &rows) {
  STC_ASSIGN_OR_RETURN(NpyWriter writer,
                       NpyWriter::create(path, int64_t(rows.size()), int64_t(rows.front().size())));
  for (const std::vector<float> &row : rows)
    STC_RETURN_IF_ERROR(writer.write(row));
  return writer.commit();
}

absl::Status print(const std::vector<std::vector<float>> &rows) {
  for (const std::vector<float> &row : rows) {
    std::string line;
    for (float value : row)
      absl::StrAppendFormat(&line, "%s%.9g", line.empty() ? "" : " ", value);
    STC_RETURN_IF_ERROR(printLine(line));
  }
  return absl::OkStatus();
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(args.expectOneOf({"--text", "--text-file", "--tokens", "--image"}, true));
  if (args.has("--output")) {
    STC_RETURN_IF_ERROR(args.expectOneOf({"--output", "--json"}, true));
    STC_RETURN_IF_ERROR(checkWritable(args.text("--output")));
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  std::vector<std::string> images = args.texts("--image");
  STC_RETURN_IF_ERROR(model->require(images.empty() ? Ability::Embed : Ability::See));
  std::vector<Text> texts;
  if (images.empty()) {
    STC_ASSIGN_OR_RETURN(texts, readTexts(*model, args));
  }
  for (const Text &text : texts)
    STC_RETURN_IF_ERROR(checkLength(text, model->settings().maxContext));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  std::vector<std::vector<float>> rows;
  for (const std::string &path : images) {
    STC_ASSIGN_OR_RETURN(std::vector<float> pixels, readImage(*model, path));
    STC_ASSIGN_OR_RETURN(rows.emplace_back(), session->embedImage(pixels));
  }
  for (const Text &text : texts) {
    STC_ASSIGN_OR_RETURN(rows.emplace_back(), session->embed(text.ids));
  }
  if (args.has("--output"))
    return writeNpy(args.text("--output"), rows);
  return args.has("--json") ? printLine(printJson(texts, images, rows)) : print(rows);
}

} // namespace

Command embedCommand() { return {&spec(), execute}; }

} // namespace stc
