// classify: what images show, by a vision transformer.
#include "ImageInput.h"
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/Session.h"

#include "absl/strings/str_format.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "classify",
      "",
      "Say what images show (vision transformers that classify).",
      "Prints the most likely labels of an image with their probabilities, one a line. With "
      "several\n"
      "images every line begins with the file's name. Where labels do not exclude each other\n"
      "(problem_type of the checkpoint), each has a probability of its own.",
      withModelOptions({imageOption(/*repeats=*/true),
                        {"--features", "", "FILE",
                         "Pixels that are normalized already: a .npy file of float32 [3, height, "
                         "width]."},
                        {"--top", "", "N", "How many labels to print (default: 5)."},
                        {"--json", "", "", "Print one JSON object."}}),
      {"classify --image cat.jpg", "classify --image cat.jpg --image dog.png --top 1 --json"}};
  return spec;
}

/// The labels of one image, the most likely first.
struct Answer {
  std::string file;
  std::vector<float> logits;
  std::vector<double> probabilities;
  std::vector<size_t> order;
};

std::vector<double> probabilitiesOf(absl::Span<const float> logits, bool isMultiLabel) {
  std::vector<double> result;
  double largest = double(*std::max_element(logits.begin(), logits.end())), sum = 0;
  for (float logit : logits) {
    result.push_back(isMultiLabel ? 1 / (1 + std::exp(-double(logit)))
                                  : std::exp(double(logit) - largest));
    sum += result.back();
  }
  for (double &probability : result)
    probability /= isMultiLabel ? 1 : sum;
  return result;
}

Answer rank(std::string file, std::vector<float> logits, bool isMultiLabel, size_t top) {
  Answer answer{std::move(file), std::move(logits), {}, {}};
  answer.probabilities = probabilitiesOf(answer.logits, isMultiLabel);
  answer.order.resize(answer.logits.size());
  std::iota(answer.order.begin(), answer.order.end(), size_t(0));
  // Of equally likely ones the first comes first.
  std::sort(answer.order.begin(), answer.order.end(), [&](size_t a, size_t b) {
    return std::pair(-answer.logits[a], a) < std::pair(-answer.logits[b], b);
  });
  answer.order.resize(std::min(top, answer.order.size()));
  return answer;
}

std::string printJson(const std::vector<Answer> &answers, const ImageSettings &image) {
  JsonWriter json;
  json.beginObject();
  json.beginArray("images");
  for (const Answer &answer : answers) {
    json.beginObject();
    json.string("image", answer.file);
    json.beginArray("labels");
    for (size_t label : answer.order) {
      json.beginObject();
      json.integer("id", int64_t(label));
      json.string("label", image.labels[label]);
      json.number("probability", answer.probabilities[label]);
      json.number("logit", double(answer.logits[label]));
      json.endObject();
    }
    json.endArray();
    json.endObject();
  }
  json.endArray();
  json.endObject();
  return json.text();
}

absl::Status print(const std::vector<Answer> &answers, const ImageSettings &image) {
  for (const Answer &answer : answers)
    for (size_t label : answer.order)
      STC_RETURN_IF_ERROR(
          printLine(absl::StrFormat("%s%.4f  %s", answers.size() > 1 ? answer.file + "  " : "",
                                    answer.probabilities[label], printable(image.labels[label]))));
  return absl::OkStatus();
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(args.expectOneOf({"--image", "--features"}, true));
  constexpr int64_t most = 1 << 20;
  STC_ASSIGN_OR_RETURN(int64_t top, args.integer("--top", 5, 1, most));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  STC_RETURN_IF_ERROR(model->require(Ability::Classify));
  const ImageSettings &image = *model->image();
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  std::vector<Answer> answers;
  bool hasPixels = args.has("--features");
  for (const std::string &path : args.texts(hasPixels ? "--features" : "--image")) {
    STC_ASSIGN_OR_RETURN(std::vector<float> pixels,
                         hasPixels ? readPixels(*model, path) : readImage(*model, path));
    STC_ASSIGN_OR_RETURN(std::vector<float> logits, session->classifyImage(pixels));
    answers.push_back(rank(path, std::move(logits), image.isMultiLabel, size_t(top)));
  }
  return args.has("--json") ? printLine(printJson(answers, image)) : print(answers, image);
}

} // namespace

Command classifyCommand() { return {&spec(), execute}; }

} // namespace stc
